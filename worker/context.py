"""What the model is told: persona, post and analysis as its system instruction, the conversation as turns.

The system instruction comes first and is the same for every question of a chat, so that the provider's
cache can hold it.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from worker import budget
from worker.budget import Budget
from worker.models import Message, Reply

SUMMARY_WORDS = 300
HISTORY_MESSAGES = 20

_TEMPLATE = (Path(__file__).parent / "prompts" / "chat.txt").read_text()
PROMPT_VERSION = "chat-" + hashlib.sha256(_TEMPLATE.encode()).hexdigest()[:8]

_ROLES = {"user": "user", "assistant": "model"}


@dataclass(frozen=True)
class Prompt:
    """`contents` is a list of {"role": "user" | "model", "parts": [{"text": …}]}, the question last."""

    system_instruction: str
    contents: list[dict[str, Any]]
    estimated_tokens: int = 0


def build_chat_prompt(reply: Reply, within: Budget) -> Prompt:
    """Everything that one call to the model needs. What is over the budget costs the oldest turns, and no more."""
    caption_tokens = within.caption_tokens // max(1, len(reply.posts))
    posts = "\n\n".join(_render_post(build_post_context(post, caption_tokens)) for post in reply.posts)
    analyses = "\n\n".join(build_analysis_summary(analysis) for analysis in reply.analyses)
    instruction = Template(_TEMPLATE).substitute(fence=_fence(reply), post=posts, analysis=analyses)
    estimated = budget.estimate(instruction) + budget.estimate(reply.question)
    history, estimated = _newest_turns(reply.history[-HISTORY_MESSAGES:], estimated, within)
    return Prompt(
        system_instruction=instruction,
        contents=[*build_chat_history(history), _turn("user", reply.question)],
        estimated_tokens=estimated,
    )


def build_analysis_summary(analysis: dict[str, Any]) -> str:
    """The named fields of an analysis as readable text, at most 300 words; the tail is cut, with a mark."""
    sections = [
        _listed("Quick takeaways", analysis.get("quick_takeaways")),
        _labelled("Creator context", analysis.get("creator_context")),
        _labelled("Viral status", analysis.get("viral_status")),
        _listed("Frameworks", analysis.get("frameworks")),
        _listed("Key insights", analysis.get("key_insights")),
    ]
    return _first_words("\n".join(section for section in sections if section), SUMMARY_WORDS)


def build_post_context(post: dict[str, Any], caption_tokens: int | None = None) -> dict[str, str]:
    """Label → value, in the order in which the model reads them; what the post lacks is left out.

    A caption of more than `caption_tokens` is shortened, and a field of its own says so.
    """
    caption, notice = _shortened(str(post.get("caption") or ""), caption_tokens)
    fields = {
        "Platform": post.get("platform"),
        "Creator": post.get("creator"),
        "URL": post.get("url"),
        "Posted": post.get("posted_at"),
        "Caption": caption,
        "Caption shortened": notice,
        "Metrics": "; ".join(f"{name}: {as_line(value)}" for name, value in (post.get("metrics") or {}).items()),
        "Media": "; ".join(as_line(item) for item in post.get("media") or []),
    }
    # A caption of several lines is indented: none of its lines can pass for a field of its own.
    return {label: "\n    ".join(str(value).strip().splitlines()) for label, value in fields.items() if value}


def build_chat_history(messages: list[Message]) -> list[dict[str, Any]]:
    """The last 20 messages as turns of the conversation."""
    return [_turn(_ROLES[message.role], message.content) for message in messages[-HISTORY_MESSAGES:]]


def _newest_turns(messages: list[Message], estimated: int, within: Budget) -> tuple[list[Message], int]:
    """What of the history the budget allows beside `estimated`, and the estimate with it. A turn stays whole."""
    kept: list[Message] = []
    turn: list[Message] = []
    for message in reversed(messages):
        turn.insert(0, message)
        if message.role == "user":
            with_turn = estimated + sum(budget.estimate(each.content) for each in turn)
            if not within.allows(with_turn):
                break
            kept, estimated, turn = [*turn, *kept], with_turn, []
    return kept, estimated


def _shortened(caption: str, tokens: int | None) -> tuple[str, str]:
    """The caption within its share, and the notice for the model if that is not all of it."""
    if tokens is None or budget.estimate(caption) <= tokens:
        return caption, ""
    # A cut within a character leaves half of it, which goes.
    kept = caption.encode()[: tokens * budget.BYTES_PER_TOKEN].decode(errors="ignore")
    return f"{kept} …", f"these are the first {len(kept):,} of its {len(caption):,} characters"


def _turn(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"text": text}]}


def _render_post(context: dict[str, str]) -> str:
    return "\n".join(f"{label}: {value}" for label, value in context.items())


def _labelled(label: str, value: Any) -> str:
    return f"{label}: {as_line(value)}" if value else ""


def _listed(label: str, values: Any) -> str:
    items = values if isinstance(values, list) else [values] if values else []
    return "\n".join([f"{label}:", *(f"- {as_line(item)}" for item in items)]) if items else ""


def as_line(value: Any) -> str:
    """One line for a value of any shape; {"name", "explanation"} reads as a definition."""
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, dict) and set(value) == {"name", "explanation"}:
        return f"{as_line(value['name'])}: {as_line(value['explanation'])}"
    if isinstance(value, dict):
        return ", ".join(f"{as_line(name)} {as_line(part)}" for name, part in value.items())
    return json.dumps(value, ensure_ascii=False)


def _first_words(text: str, limit: int) -> str:
    """Keeps the lines, and cuts after `limit` words."""
    left = limit
    lines = []
    for line in text.splitlines():
        words = line.split(" ")
        if len(words) > left:
            lines.append(" ".join([*words[:left], "…"]) if left else "…")
            break
        lines.append(line)
        left -= len(words)
    return "\n".join(lines)


def _fence(reply: Reply) -> str:
    """Part of the tags around the data, so that no text in it can close them: who writes a post knows no chat's id.

    It is the same for all questions of a chat, for the sake of the provider's cache.
    """
    return hashlib.sha256(reply.session_id.encode()).hexdigest()[:16]
