"""Builds the prompt: persona, post and analysis as the system instruction, the conversation as turns.

The system instruction comes first and is the same for all questions of a chat, so that the provider can cache it.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from worker.prompt import parts, repetition, token_count
from worker.prompt.budget import ANALYSES_SHARE, POSTS_SHARE, Budget
from worker.prompt.parts import Part
from worker.rows import Analysis, Message, Post, Reply

SUMMARY_WORDS = 300
HISTORY_MESSAGES = 20
DEEPEST = 16
"""Levels of nested values that are shown."""

_TEMPLATE = (Path(__file__).parent / "chat.txt").read_text()
PROMPT_VERSION = "chat-" + hashlib.sha256(_TEMPLATE.encode()).hexdigest()[:8]

_DEAREST_FENCE = "0" * 16
"""A fence with the highest estimate, since digits cost more than letters."""


@dataclass(frozen=True)
class Prompt:
    """`turns`: the conversation, oldest message first, the question last; roles are user and assistant."""

    system_instruction: str
    turns: list[Message]
    estimated_tokens: int = 0


def build_chat_prompt(reply: Reply, within: Budget) -> Prompt:
    """The prompt for a call, within the budget by its estimate in tokens.

    The system instruction depends on post and analysis only. The question gets the remaining budget, and the newest
    turns get what the question leaves. Raises any Exception if the reply's context has an unexpected shape.
    """
    room = within.tokens - token_count.estimate(_instruction(_DEAREST_FENCE, "", ""))
    posts = parts.fit_groups([_parts_of_post(post) for post in reply.posts], int(room * POSTS_SHARE))
    analyses = parts.fit_groups([_parts_of_analysis(each) for each in reply.analyses], int(room * ANALYSES_SHARE))
    instruction = _instruction(_fence(reply.session_id, posts, analyses), posts, analyses)
    estimated = token_count.estimate(instruction)
    question = _question(reply.question, within.tokens - estimated)
    estimated += token_count.estimate(question)
    history, estimated = _newest_turns(
        _said_once(reply.history[-HISTORY_MESSAGES:]), estimated, reply.session_id, within
    )
    return Prompt(
        system_instruction=instruction,
        turns=[*build_chat_history(history), _turn("user", question)],
        estimated_tokens=estimated,
    )


def build_analysis_summary(analysis: Analysis) -> str:
    """The named fields of an analysis as text of at most 300 words, with notices where text was cut."""
    return parts.render(
        {label: value for part in _parts_of_analysis(analysis) for label, value in part.fields.items()}
    )


def build_post_context(post: Post) -> dict[str, str]:
    """Label → text, in the order of the prompt, without the fields that the post does not have."""
    return {label: value for part in _parts_of_post(post) for label, value in part.fields.items()}


def build_chat_history(messages: list[Message]) -> list[Message]:
    """The last 20 messages as turns, oldest first."""
    return [_turn(message.role, message.content) for message in messages[-HISTORY_MESSAGES:]]


def _instruction(fence: str, post: str, analysis: str) -> str:
    return _sendable(Template(_TEMPLATE).substitute(fence=fence, post=post, analysis=analysis))


def _question(question: str, room: int) -> str:
    """The question; if it has more tokens than `room`, its beginning and a notice."""
    if token_count.estimate(question) <= room:
        return question
    notice = " …\n\n(The question was shortened: these are the first {:,} of its {:,} characters.)"
    longest = notice.format(len(question), len(question))
    kept = token_count.beginning(question, room - token_count.estimate(longest))
    return kept + notice.format(len(kept), len(question))


def _turn(role: str, text: str) -> Message:
    return Message(role, _sendable(text))


def _sendable(text: str) -> str:
    """The text without lone surrogates, which cannot be encoded."""
    return text.encode("utf-8", "replace").decode()


def _said_once(messages: list[Message]) -> list[Message]:
    """The messages without repetitions at the ends of answers, which may make the model repeat itself again."""
    return [
        Message(message.role, repetition.said_once(message.content)) if message.role == "assistant" else message
        for message in messages
    ]


def _newest_turns(
    messages: list[Message], estimated: int, session_id: str, within: Budget
) -> tuple[list[Message], int]:
    """The newest whole turns that fit into the budget beside `estimated` tokens, and the estimate including them."""
    kept: list[Message] = []
    turn: list[Message] = []
    for message in reversed(messages):
        turn.insert(0, message)
        if message.role == "user":
            with_turn = estimated + sum(token_count.estimate(each.content) for each in turn)
            if not within.allows(with_turn, session_id):
                break
            kept, estimated, turn = [*turn, *kept], with_turn, []
    return kept, estimated


def _parts_of_post(post: Post) -> list[Part]:
    return _parts(post, _POST)


def _parts_of_analysis(analysis: Analysis) -> list[Part]:
    """At most 300 words in all, shared fairly between the sections."""
    sections = _parts(analysis, _ANALYSIS)
    shares = parts.fair([section.word_count for section in sections], SUMMARY_WORDS)
    return [section.within_words(share) for section, share in zip(sections, shares, strict=True)]


def _parts(row: Post | Analysis, read_as: dict[str, tuple[str, Callable[[Any], str]]]) -> list[Part]:
    """The fields that are not empty. `wholes`: original sizes of values that the database has cut (reply_context)."""
    wholes = row.get("wholes") or {}
    found = []
    for name, (label, read) in read_as.items():
        value = row.get(name)
        text = read(value) if value else ""
        size = len(value) if isinstance(value, str | list | dict) else 0
        whole = size if wholes.get(name) is None else wholes[name]
        if isinstance(value, list | dict):
            entries = f"{size:,} of its {whole:,} entries" if whole != size else ""
            part = Part(label, text, len(text), entries)
        else:
            part = Part(label, text, max(whole, len(text)), is_cut=whole != size)
        if text or whole != size:
            found.append(part)
    return found


def as_line(value: Any, levels: int = DEEPEST) -> str:
    """A value of any shape as one line; {"name", "explanation"} is written as "name: explanation"."""
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, dict | list) and not levels:
        return "…"
    if isinstance(value, dict) and set(value) == {"name", "explanation"}:
        return f"{as_line(value['name'], levels - 1)}: {as_line(value['explanation'], levels - 1)}"
    if isinstance(value, dict):
        return ", ".join(f"{as_line(name)} {as_line(part, levels - 1)}" for name, part in value.items())
    if isinstance(value, list):
        return f"[{', '.join(as_line(item, levels - 1) for item in value)}]"
    return json.dumps(value)


def _as_field(value: Any) -> str:
    """The text with further lines indented, so that they cannot imitate a field."""
    return "\n    ".join(str(value).strip().splitlines())


def _in_a_row(values: Any) -> str:
    if isinstance(values, dict):
        return "; ".join(f"{as_line(name)}: {as_line(value)}" for name, value in values.items())
    return "; ".join(map(as_line, _items(values)))


def _as_list(values: Any) -> str:
    return "".join(f"\n- {as_line(item)}" for item in _items(values))


def _items(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


_POST: dict[str, tuple[str, Callable[[Any], str]]] = {
    "platform": ("Platform", _as_field),
    "creator": ("Creator", _as_field),
    "url": ("URL", _as_field),
    "posted_at": ("Posted", _as_field),
    "caption": ("Caption", _as_field),
    "metrics": ("Metrics", _in_a_row),
    "media": ("Media", _in_a_row),
}
_ANALYSIS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "quick_takeaways": ("Quick takeaways", _as_list),
    "creator_context": ("Creator context", as_line),
    "viral_status": ("Viral status", as_line),
    "frameworks": ("Frameworks", _as_list),
    "key_insights": ("Key insights", _as_list),
}


def _fence(session_id: str, posts: str, analyses: str) -> str:
    """A hash of the data for the tags around it. The author of a text cannot predict it, so the text cannot close the
    tag. It is the same for all questions of a chat, so that the provider can cache the instruction.
    """
    made_of = "\0".join((session_id, posts, analyses)).encode("utf-8", "surrogatepass")
    return hashlib.sha256(made_of).hexdigest()[: len(_DEAREST_FENCE)]
