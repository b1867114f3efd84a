"""An answer that repeats itself without an end is noticed, and what only looks like it is not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.prompt import repetition
from worker.prompt.repetition import Repetition, said_once

SENTENCE = "The hook is a question, and it holds back the answer until the end. "
PARAGRAPH = " ".join(f"Point {number} of this paragraph says something else." for number in range(36)) + "\n\n"
BEFORE = "Here is what made it work: " * 3 + PARAGRAPH
# A passage in which smaller ones repeat: the nearest place with the same words is not the passage before.
STANZA = ("We post, we wait, we post again, and nobody is there to see it.\n" * 2 + "Then the morning comes.\n") * 2
LIST = "".join(f"{number}. Ask a question in the first second.\n" for number in range(1, 2_000))
BOLD_LIST = "".join(f"- **{number}.** Ask a question in the first second.\n\n" for number in range(1, 2_000))
LIMIT = 8_192 * 4
"""Characters that the limit of tokens allows."""


def seen_after(text: str, size: int = 7) -> int | None:
    """Characters until it is noticed, when they come in pieces of this size."""
    watched = Repetition()
    for end in range(size, len(text) + size, size):
        if watched.is_in(text[:end]):
            return end
    return None


@pytest.mark.parametrize(
    ("text", "soon"),
    [
        pytest.param(SENTENCE * 600, 3_500, id="a sentence"),
        pytest.param("ha " * 12_000, 3_500, id="a word"),
        pytest.param("0" * 40_000, 3_500, id="a digit"),
        pytest.param("\n" * 40_000, 3_500, id="blank lines"),
        pytest.param("よい投稿です。" * 5_000, 3_500, id="a sentence in Japanese"),
        pytest.param("| 0 | 0 |\n" * 4_000, 3_500, id="a row"),
        pytest.param(STANZA * 200, 3_500, id="a stanza with a refrain"),
        pytest.param(LIST, 4_000, id="a list that counts"),
        pytest.param(BOLD_LIST, 4_000, id="a list that counts in bold"),
        pytest.param(PARAGRAPH * 20, 7_500, id="a paragraph"),
    ],
)
@pytest.mark.parametrize("size", [3, 500])
@pytest.mark.parametrize("before", ["", BEFORE])
def test_a_passage_without_end_is_noticed_long_before_the_limit(text: str, soon: int, size: int, before: str) -> None:
    seen = seen_after(before + text[:LIMIT], size)

    assert seen is not None
    assert seen <= len(before) + soon + size


POEM = "\n\n".join(
    f"Verse {number} tells of day {number * 7},\nand line {number * 3} of it is new.\nRefrain: we post, we wait,\n"
    "we post, we wait, we post, we wait,\nuntil the morning comes."
    for number in range(80)
)
TABLE = "| Day | Likes | Shares |\n|---|---|---|\n" + "".join(f"| {n} | 0 | 0 |\n" for n in range(400))
CODE = "".join(f"    if kind == {n}:\n        return handle(row)\n" for n in range(200))
PRICES = "".join(f"{n}.50 USD\n" for n in range(800))
TASKS = "".join(f"{n}. Ask about the {n % 97}th second, and wait.\n" for n in range(400))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(POEM, id="a refrain"),
        pytest.param(TABLE, id="a table"),
        pytest.param(CODE, id="code"),
        pytest.param(PRICES, id="decimals"),
        pytest.param(TASKS, id="a list"),
        pytest.param("ha " * 50 + PARAGRAPH, id="ha, as asked for"),
        pytest.param("-" * 200 + "\n" + PARAGRAPH + "=" * 3_000 + PARAGRAPH, id="rulers"),
        pytest.param("[" + ", ".join(["0"] * 1_000) + "]" + PARAGRAPH, id="an array of zeros"),
        pytest.param(("#" * 60 + "\n") * 40 + PARAGRAPH, id="a drawing"),
        pytest.param("|   |   |   |\n" * 200 + PARAGRAPH, id="a form to fill in"),
        pytest.param("いいね。" * 400 + PARAGRAPH, id="a cheer in Japanese"),
        pytest.param(PARAGRAPH * 3 + POEM, id="said three times"),
        pytest.param(SENTENCE * 40 + POEM, id="a chorus"),
    ],
)
@pytest.mark.parametrize("size", [5, 33, 5_000])
def test_what_only_looks_like_it_is_not(text: str, size: int) -> None:
    assert seen_after(text, size) is None
    assert said_once(text) == text


@settings(max_examples=100, derandomize=True, deadline=None)
@given(before=st.text(max_size=300), passage=st.text(min_size=1, max_size=60), factor=st.integers(1, 30))
def test_any_passage_is_noticed_and_said_once(before: str, passage: str, factor: int) -> None:
    passage = (passage * factor)[:2_000]
    text = before + passage * (9_000 // len(passage) + 1)

    assert seen_after(text, 50) is not None
    once = said_once(text)
    assert once.endswith(" …")
    # Numbers of lists have become 1, which has no more characters than they had.
    assert len(once) <= len(before) + len(passage) + 2


@pytest.mark.parametrize("passage", [SENTENCE, "ha ", PARAGRAPH, STANZA])
def test_a_passage_is_said_once(passage: str) -> None:
    text = f"Here it comes. {passage * 4}{passage * (6_000 // len(passage))}{passage[: len(passage) // 3]}"
    once = said_once(text)

    assert once.removesuffix(" …") in f"Here it comes. {passage}"
    assert len(once) >= len(passage) // 2


def test_a_list_that_counts_is_said_once() -> None:
    assert said_once("Do this:\n" + LIST) == "Do this:\n1. Ask a question in the first second. …"


def test_a_long_answer_is_looked_at_as_seldom_as_a_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = 0

    def period(window: str, size: int, longest: int) -> int:
        nonlocal looked_at
        looked_at += len(window)
        return 0

    monkeypatch.setattr(repetition, "_period", period)
    watched, text = Repetition(), ""
    for _ in range(LIMIT // 4):
        text += "word"
        watched.is_in(text)
    assert 0 < looked_at <= 25 * LIMIT
