"""Prompts of a post, an analysis and a chat, and what stands in them."""

import re
from collections.abc import Sequence
from typing import Any, cast

from worker.prompt import context
from worker.prompt.budget import Budget
from worker.rows import Analysis, Message, Post, Reply

Row = dict[str, Any]

POST: Row = {
    "platform": "instagram",
    "creator": "@lena.bakes",
    "url": "https://www.example.com/reel/1",
    "posted_at": "2026-10-02T17:00:00+00:00",
    "caption": "zorple quandary",
    "metrics": {"likes": 918273, "engagement_rate": "13.2%"},
    "media": ["video 34 s"],
}
ANALYSIS: Row = {
    "quick_takeaways": ["Saves carried it.", "Show the crumb."],
    "creator_context": "A baker\nwho bakes.",
    "viral_status": "Viral.",
    "frameworks": [{"name": "Curiosity Stack", "explanation": "Three questions."}],
    "key_insights": ["The hook held 83.21%."],
    "analysis": {"secret_sauce": "flimbert"},
}
SUMMARY = """\
Quick takeaways:
- Saves carried it.
- Show the crumb.
Creator context: A baker who bakes.
Viral status: Viral.
Frameworks:
- Curiosity Stack: Three questions.
Key insights:
- The hook held 83.21%."""
RENDERED = """\
Platform: instagram
Creator: @lena.bakes
URL: https://www.example.com/reel/1
Posted: 2026-10-02T17:00:00+00:00
Caption: zorple quandary
Metrics: likes: 918273; engagement_rate: 13.2%
Media: video 34 s"""


def reply(
    posts: Sequence[Any] = (POST,),
    analyses: Sequence[Any] = (ANALYSIS,),
    history: Sequence[Message] = (),
    question: str = "Why?",
) -> Reply:
    return Reply("m", "s", "u", 1, 1, 4, question, list(history), list(posts), list(analyses))


def build_chat_prompt(claimed: Reply, tokens: int = 32_000, ratio: float = 1.0) -> context.Prompt:
    budget = Budget(tokens)
    for _ in range(20):
        budget.learn(claimed.session_id, 1_000, int(1_000 * ratio))
    return context.build_chat_prompt(claimed, budget)


def build_post_context(post: Row) -> dict[str, str]:
    return context.build_post_context(cast(Post, post))


def build_analysis_summary(analysis: Row) -> str:
    return context.build_analysis_summary(cast(Analysis, analysis))


def instruction(**changes: Any) -> str:
    return build_chat_prompt(reply(**changes)).system_instruction


def instruction_within(tokens: int, **changes: Any) -> str:
    return build_chat_prompt(reply(**changes), tokens).system_instruction


def fence_of(text: str) -> str:
    """As the persona tells it."""
    found = re.search("between <post-([0-9a-f]{16})> and", text)
    assert found
    return found[1]


def body_of(text: str, name: str) -> str:
    """What stands in the one fence of that name."""
    name = f"{name}-{fence_of(text)}"
    assert text.count(f"\n<{name}>\n") == 1
    assert text.count(f"</{name}>\n") == 1
    return text.split(f"\n<{name}>\n")[1].split(f"\n</{name}>\n")[0]


def turns(*lengths: int) -> list[Message]:
    """Turns whose questions and answers have this many tokens each."""
    texts = [str(n % 10) * length for n, length in enumerate(lengths)]
    return [Message(role, text) for text in texts for role in ("user", "assistant")]


def contents_of(prompt: context.Prompt) -> list[str]:
    return [turn.content for turn in prompt.turns]
