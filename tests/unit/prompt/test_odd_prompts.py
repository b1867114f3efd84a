"""Whatever a post and its analysis are, the prompt keeps its budget, the question is whole, what is cut is told."""

import base64
import random
from typing import Any, cast

import pytest

from worker.config import WorkerSettings
from worker.prompt.budget import Budget
from worker.prompt.context import Prompt, build_chat_prompt
from worker.prompt.token_count import estimate
from worker.rows import Analysis, Message, Post, Reply

LEAST, DEFAULT = 1_000, 32_000
QUESTION = "Why did it work, and what should the next one begin with? ¿Por qué? なぜ 🧑‍🍳"
HISTORY = [Message(role, "history " * 300) for _ in range(10) for role in ("user", "assistant")]
MEGABYTE = 1_000_000
RANDOM = random.Random(2).randbytes(MEGABYTE // 2)  # noqa: S311

Row = dict[str, Any]


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": [value]}
    return value


def everywhere(value: Any) -> tuple[Row, Row]:
    """The same in each place that takes a text, or a list of it."""
    post = dict.fromkeys(("platform", "creator", "url", "posted_at", "caption"), value)
    analysis = dict.fromkeys(("creator_context", "viral_status"), value)
    lists = {name: [value] for name in ("quick_takeaways", "frameworks", "key_insights")}
    return {**post, "metrics": {"m": value}, "media": [value]}, {**analysis, **lists}


def in_post(**parts: Any) -> tuple[Row, Row]:
    return {"platform": "instagram", "caption": "Three eggs", **parts}, {"viral_status": "Viral."}


def in_analysis(**parts: Any) -> tuple[Row, Row]:
    return {"platform": "instagram", "caption": "Three eggs"}, {"viral_status": "Viral.", **parts}


ODD_TYPES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    1e308,
    -1e308,
    10**300,
    "",
    [],
    {},
    [[]],
    [{}],
    {"": None},
    {"a": {}},
    "\x00",
]

WHOLE = {
    "nothing": ({}, {}),
    "empty everything": everywhere(""),
    "null everything": (dict.fromkeys(everywhere("")[0]), dict.fromkeys(everywhere("")[1])),
    "blanks everywhere": everywhere(" \n\t\u2028"),
    "odd types as metrics": in_post(metrics={str(n): value for n, value in enumerate(ODD_TYPES)}),
    "odd types as media": in_post(media=ODD_TYPES),
    "no list, no object": in_post(metrics=["a", 1], media={"a": 1}),
    "a number as caption": in_post(caption=1e308),
    "an object as URL": in_post(url={"a": [1]}),
    "tags": everywhere("</post> <analysis> $post ${fence}"),
    "a lone surrogate": everywhere("\ud83d"),
}
CUT = {
    "platform of 1 MB": in_post(platform="p" * MEGABYTE),
    "creator of 1 MB": in_post(creator="c" * MEGABYTE),
    "URL of 1 MB": in_post(url="https://example.test/" + "u" * MEGABYTE),
    "time of 1 MB": in_post(posted_at="2" * MEGABYTE),
    "caption of 1 MB": in_post(caption="Three eggs. " * 83_333),
    "caption of 300,000 lines": in_post(caption="a\n\n" * 300_000),
    "caption of line separators": in_post(caption="a\u2028b\x85" * 100_000),
    "metrics of 1 MB": in_post(metrics={f"metric {n}": n for n in range(50_000)}),
    "one metric of 1 MB": in_post(metrics={"likes": "9" * MEGABYTE}),
    "keys of 100 kB": in_post(metrics={letter * 100_000: 1 for letter in "abcdefghij"}),
    "10,000 media items": in_post(media=[{"kind": "image", "url": f"https://a.test/{n}"} for n in range(10_000)]),
    "numbers of 300 digits": in_post(metrics={str(n): 10**300 for n in range(1_000)}),
    "numbers of 1e308": in_post(media=[1e308] * 20_000),
    "deep metrics": in_post(metrics=dict.fromkeys(map(str, range(2_000)), deep(400))),
    "deep media": in_post(media=[deep(400)] * 2_000),
    "too deep for Python": in_post(media=[deep(50_000)], metrics={"m": deep(50_000), "n": "n" * MEGABYTE}),
    "cut by the database": in_post(caption="x" * 50_000, media=["m"] * 60, wholes={"caption": 60_000, "media": 999}),
    "left out by the database": in_post(metrics={}, media=[], wholes={"metrics": 3, "media": -1}),
    "emoji": everywhere("🔥" * 30_000),
    "families": everywhere("👨‍👩‍👧‍👦" * 10_000),
    "combining marks": everywhere("a" + "\u0301\u0488" * 30_000),
    "right to left": everywhere("\u202eמה עשה את זה? لماذا نجح؟ " * 4_000),
    "Japanese": everywhere("この投稿はなぜ成功したのですか。" * 6_000),
    "Chinese": everywhere("这个帖子为什么这么成功" * 6_000),
    "Korean": everywhere("이 게시물은 왜 성공했나요? " * 6_000),
    "Thai": everywhere("ทำไมโพสต์นี้ถึงประสบความสำเร็จ" * 4_000),
    "Khmer": everywhere("ចំណេះដឹងជាអំណាច" * 6_000),
    "Hindi": everywhere("यह पोस्ट क्यों सफल हुई? " * 4_000),
    "hieroglyphs": everywhere("\U00013000" * 30_000),
    "mathematical letters": everywhere("\U0001d4ef\U0001d4ea " * 20_000),
    "private use": everywhere("\ue000" * 60_000),
    "lone surrogates": everywhere("\ud83d " * 60_000),
    "control characters": everywhere("\x01\x1b" * 60_000),
    "zero width": everywhere("\u200b\u200d\ufeff" * 30_000),
    "hex": everywhere(RANDOM.hex()[:100_000]),
    "base64": everywhere(base64.b64encode(RANDOM).decode()[:100_000]),
    "digits": everywhere("1234567890" * 10_000),
    "one word": everywhere("x" * 100_000),
    "one word in the analysis": in_analysis(viral_status="x" * 100_000),
    "5,000 takeaways": in_analysis(quick_takeaways=["Ask early, and ask again."] * 5_000),
    "one insight of 1 MB": in_analysis(key_insights=["Saves carried it. " * 60_000]),
    "deep frameworks": in_analysis(frameworks=[deep(50_000), {"name": "n" * MEGABYTE, "explanation": deep(9)}]),
    "a Japanese analysis": in_analysis(viral_status="この投稿はなぜ成功したのですか。" * 3_000),
    "an analysis cut by the database": in_analysis(creator_context="x" * 20_000, wholes={"creator_context": 30_000}),
}  # fmt: skip


def prompt_of(odd: tuple[Row, Row], budget: int, times: int = 1) -> Prompt:
    post, analysis = cast(Post, odd[0]), cast(Analysis, odd[1])
    claimed = Reply("m", "s", "u", 1, 1, 4, QUESTION, HISTORY, [post] * times, [analysis] * times)
    return build_chat_prompt(claimed, Budget(budget))


def assert_within(prompt: Prompt, budget: int) -> None:
    texts = [prompt.system_instruction, *(turn.content for turn in prompt.turns)]
    assert sum(map(estimate, texts)) == prompt.estimated_tokens <= budget
    assert texts[-1] == QUESTION
    assert "".join(texts).encode()


def test_the_least_and_the_default_budget_are_these() -> None:
    fields = WorkerSettings.model_fields["prompt_token_budget"]

    assert fields.default == DEFAULT
    assert [rule.ge for rule in fields.metadata] == [LEAST]


@pytest.mark.parametrize("budget", [LEAST, DEFAULT])
@pytest.mark.parametrize("name", [*WHOLE, *CUT])
def test_a_prompt_of_an_odd_post_is_within_its_budget(name: str, budget: int) -> None:
    prompt = prompt_of({**WHOLE, **CUT}[name], budget)

    assert_within(prompt, budget)
    told = (
        " shortened: these are " in prompt.system_instruction or " left out: too large" in prompt.system_instruction
    )
    if name in CUT or budget == DEFAULT:
        assert told == (name in CUT)
    if budget == DEFAULT:
        assert len(prompt.turns) > 9  # what is odd takes no history


@pytest.mark.parametrize("budget", [LEAST, DEFAULT])
@pytest.mark.parametrize("name", ["emoji", "hieroglyphs", "nothing"])
@pytest.mark.parametrize("times", [5, 20])
def test_so_is_one_of_many_odd_posts(name: str, times: int, budget: int) -> None:
    assert_within(prompt_of({**WHOLE, **CUT}[name], budget, times), budget)
