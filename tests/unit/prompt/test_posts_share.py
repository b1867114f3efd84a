"""Posts have a share of the budget; what is cut is told."""

from typing import Any

import pytest

from tests.support.prompts import (
    POST,
    Row,
    body_of,
    build_chat_prompt,
    build_post_context,
    fence_of,
    instruction,
    reply,
    turns,
)
from worker.prompt.budget import POSTS_SHARE
from worker.prompt.token_count import estimate


def post_room(tokens: int) -> int:
    """What posts may take."""
    empty = instruction(posts=[], analyses=[])
    dearest = empty.replace(fence_of(empty), "0" * 16)
    return int((tokens - estimate(dearest)) * POSTS_SHARE)


@pytest.mark.parametrize("letter", ["x", "é", "语", "🧑"])
def test_a_caption_beyond_its_share_is_shortened_and_the_model_is_told(letter: str) -> None:
    caption = letter * 40_000
    post = body_of(build_chat_prompt(reply(posts=[{**POST, "caption": caption}]), 8_000).system_instruction, "post")

    lines = dict(line.split(": ", 1) for line in post.splitlines())
    kept = len(lines["Caption"].removesuffix(" …"))
    assert lines["Caption"] == letter * kept + " …"
    assert post_room(8_000) - 30 <= estimate(post) <= post_room(8_000)
    assert lines["Caption shortened"] == f"these are the first {kept:,} of its 40,000 characters"
    assert lines["Metrics"] == "likes: 918273; engagement_rate: 13.2%"
    assert lines.keys() == {*build_post_context(POST), "Caption shortened"}


def test_a_caption_within_its_share_is_whole() -> None:
    caption = "x" * 4 * (post_room(8_000) - 10)

    post = body_of(build_chat_prompt(reply(posts=[{"caption": caption}]), 8_000).system_instruction, "post")

    assert post == f"Caption: {caption}"


def test_several_posts_share_the_share() -> None:
    posts = [{"caption": "x" * 8_000}] * 2

    post = body_of(build_chat_prompt(reply(posts=posts), 8_000).system_instruction, "post")

    assert post.count("Caption shortened") == 2
    assert estimate(post) <= post_room(8_000)


def test_a_short_post_leaves_its_share_to_a_long_one() -> None:
    posts = [{"caption": "short"}, {"caption": "x" * 6_000}]

    post = body_of(build_chat_prompt(reply(posts=posts), 8_000).system_instruction, "post")

    assert post == f"Caption: short\n\nCaption: {'x' * 6_000}"


def test_of_more_posts_than_there_is_room_for_the_number_is_told() -> None:
    posts = [{"caption": "x" * 8_000}] * 500

    post = body_of(build_chat_prompt(reply(posts=posts), 8_000).system_instruction, "post")

    assert post == "Left out: 500 of 500, too large"


PARTS_OF_A_POST = {
    "platform": "Platform",
    "creator": "Creator",
    "url": "URL",
    "posted_at": "Posted",
    "caption": "Caption",
    "metrics": "Metrics",
    "media": "Media",
}


@pytest.mark.parametrize("name", PARTS_OF_A_POST)
def test_no_part_of_a_post_takes_the_place_of_another(name: str) -> None:
    huge = {"metrics": {"n" * 100_000: 1}, "media": ["n" * 100_000]}.get(name, "n" * 100_000)

    post = body_of(build_chat_prompt(reply(posts=[{**POST, name: huge}]), 8_000).system_instruction, "post")

    label = PARTS_OF_A_POST[name]
    lines = dict(line.split(": ", 1) for line in post.splitlines())
    assert lines.keys() == {*build_post_context(POST), f"{label} shortened"}
    assert {key: value for key, value in lines.items() if label not in key} == {
        key: value for key, value in build_post_context(POST).items() if key != label
    }


def test_what_has_no_room_at_all_is_said_to_be_left_out() -> None:
    huge: Row = dict.fromkeys(PARTS_OF_A_POST, "n" * 100000)
    huge |= {"metrics": {"n" * 100_000: 1}, "media": ["n" * 100_000]}

    post = body_of(build_chat_prompt(reply(posts=[huge]), 1_000).system_instruction, "post")

    for label in PARTS_OF_A_POST.values():
        assert f"{label} shortened: " in post or f"{label} left out: too large" in post


@pytest.mark.parametrize(
    ("post", "shown"),
    [
        (
            {"caption": "abc", "wholes": {"caption": 70_000}},
            {"Caption": "abc …", "Caption shortened": "these are the first 3 of its 70,000 characters"},
        ),
        (
            {"media": ["a", "b"], "wholes": {"media": 10_000}},
            {"Media": "a; b", "Media shortened": "these are 2 of its 10,000 entries"},
        ),
        ({"metrics": {}, "wholes": {"metrics": 3}}, {"Metrics left out": "too large"}),
        ({"media": [], "wholes": {"media": -1}}, {"Media left out": "too large"}),
        ({"caption": "abc", "media": [], "wholes": {"caption": 3, "media": None}}, {"Caption": "abc"}),
    ],
)
def test_what_the_database_has_cut_is_told(post: dict[str, Any], shown: dict[str, str]) -> None:
    assert build_post_context(post) == shown


def test_what_the_database_has_cut_and_is_still_too_long_is_told_once() -> None:
    post = {"caption": "x" * 50_000, "media": ["y" * 9] * 5_000, "wholes": {"caption": 70_000, "media": 10_000}}

    lines = body_of(build_chat_prompt(reply(posts=[post]), 8_000).system_instruction, "post").splitlines()

    assert [line.split(":")[0] for line in lines] == ["Caption", "Caption shortened", "Media", "Media shortened"]
    assert lines[1].endswith(" of its 70,000 characters")
    assert lines[3].startswith("Media shortened: these are 5,000 of its 10,000 entries, the first ")


def test_a_caption_is_cut_alike_whatever_was_learned_and_asked() -> None:
    """Or the provider's cache could not hold the beginning of a chat's prompts."""
    long: dict[str, Any] = {"posts": [{"caption": "x" * 20_000}], "analyses": [{"viral_status": "y" * 20_000}]}

    first = build_chat_prompt(reply(**long), 8_000)

    assert "Caption shortened" in first.system_instruction
    for others in (
        build_chat_prompt(reply(**long), 8_000, ratio=2.0),
        build_chat_prompt(reply(**long, question="How? " * 800), 8_000),
        build_chat_prompt(reply(**long, history=turns(500, 500)), 8_000),
    ):
        assert others.system_instruction == first.system_instruction
