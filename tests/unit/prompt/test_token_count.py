"""What a text costs in tokens, roughly, and its beginning within a number of them."""

import base64
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.prompt.token_count import beginning, estimate

RANDOM = random.Random(1).randbytes(3_000)  # noqa: S311


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("", 0, 0),
        ("a", 1, 1),
        # By words of prose: between one token and one and a half for each, signs included.
        ("How can I improve this post? " * 100, 700, 1_000),
        ("Почему это сработало? " * 100, 500, 1_200),
        ("这个帖子为什么这么成功" * 100, 700, 1_100),
        ("ทำไมโพสต์นี้ถึงประสบความสำเร็จ" * 100, 1_000, 3_000),
        # What no tokenizer has seen before: never more than two characters a token.
        (RANDOM.hex(), 3_000, 6_000),
        (base64.b64encode(RANDOM).decode(), 2_000, 4_000),
        ("1234567890" * 100, 1_000, 1_000),
        ("🔥" * 100, 200, 400),
        ("\U00013000" * 100, 400, 400),  # byte by byte
        ("a" + "\u0301" * 100, 100, 201),
        ("\ud83d", 1, 3),
    ],
    ids=ascii,
)
def test_an_estimate_is_near_in_every_script(text: str, least: int, most: int) -> None:
    assert least <= estimate(text) <= most


@settings(derandomize=True, max_examples=500, deadline=None, database=None)
@given(
    st.text(st.characters(exclude_categories=()), max_size=60),
    st.text(st.characters(exclude_categories=()), max_size=60),
)
def test_two_texts_together_cost_no_more_than_each(one: str, other: str) -> None:
    assert max(estimate(one), estimate(other)) <= estimate(one + other) <= estimate(one) + estimate(other)


@settings(derandomize=True, max_examples=500, deadline=None, database=None)
@given(st.text(st.characters(exclude_categories=()), max_size=60), st.integers(-5, 300))
def test_a_beginning_is_as_long_as_its_tokens_allow(text: str, tokens: int) -> None:
    kept = beginning(text, tokens)

    assert text.startswith(kept)
    assert estimate(kept) <= max(tokens, 0)
    if kept != text:
        assert estimate(text[: len(kept) + 1]) > tokens
