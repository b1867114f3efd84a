"""A post as labels and values."""

import pytest

from tests.support.prompts import POST, build_post_context


def test_a_post_in_the_order_of_reading() -> None:
    assert list(build_post_context(POST)) == [
        "Platform",
        "Creator",
        "URL",
        "Posted",
        "Caption",
        "Metrics",
        "Media",
    ]


@pytest.mark.parametrize("missing", list(POST))
@pytest.mark.parametrize("how", ["absent", "null"])
def test_what_a_post_lacks_is_left_out(missing: str, how: str) -> None:
    post = {**POST, missing: None}
    if how == "absent":
        del post[missing]
    complete = build_post_context(POST)

    shown = build_post_context(post)

    assert len(shown) == len(complete) - 1
    assert shown.items() <= complete.items()


def test_an_empty_post_is_empty() -> None:
    assert build_post_context({}) == {}


def test_a_metric_of_zero_is_told() -> None:
    assert build_post_context({"metrics": {"likes": 0}}) == {"Metrics": "likes: 0"}
