"""What a prompt costs in tokens, roughly, and how the estimate learns."""

import pytest

from worker.budget import GREATEST_RATIO, LEAST_RATIO, Budget, estimate


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("", 0, 0),
        ("a", 1, 1),
        ("How can I improve this post?" * 100, 600, 800),
        ("这个帖子为什么这么成功" * 100, 700, 1100),
        ("Почему это сработало" * 100, 500, 1100),
        ("\ud83d", 1, 1),
    ],
)
def test_an_estimate_is_near_in_every_script(text, least, most):
    assert least <= estimate(text) <= most


def test_the_limit_itself_is_allowed():
    assert Budget(1000).allows(1000)
    assert not Budget(1000).allows(1001)


def test_it_learns_slowly_what_the_provider_counts():
    budget = Budget(1000)

    budget.learn(100, 200)
    assert 1 < budget.ratio < 1.5
    for _ in range(50):
        budget.learn(100, 200)

    assert budget.ratio == pytest.approx(2, abs=0.01)
    assert budget.allows(499)
    assert not budget.allows(501)


@pytest.mark.parametrize(("counted", "bound"), [(1, LEAST_RATIO), (1_000_000, GREATEST_RATIO)])
def test_strange_figures_have_bounds(counted, bound):
    budget = Budget(1000)
    for _ in range(100):
        budget.learn(100, counted)

    assert budget.ratio == pytest.approx(bound, abs=0.01)


@pytest.mark.parametrize(("estimated", "counted"), [(0, 5), (5, 0)])
def test_no_figure_is_no_news(estimated, counted):
    budget = Budget(1000)
    budget.learn(estimated, counted)

    assert budget.ratio == 1
