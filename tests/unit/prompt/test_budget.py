"""How the estimate of a prompt learns, for each chat by itself."""

import pytest

from worker.prompt.budget import CHATS, GREATEST_RATIO, LEAST_RATIO, Budget


def learned(estimated: int, counted: int, times: int = 1) -> Budget:
    budget = Budget(1000)
    for _ in range(times):
        budget.learn("chat", estimated, counted)
    return budget


def test_the_limit_itself_is_allowed() -> None:
    assert Budget(1000).allows(1000, "chat")
    assert not Budget(1000).allows(1001, "chat")


def test_it_learns_by_and_by_what_the_provider_counts() -> None:
    assert 1 < learned(100, 200).ratio("chat") < 2

    budget = learned(100, 200, times=20)

    assert budget.ratio("chat") == pytest.approx(2, abs=0.01)
    assert budget.allows(499, "chat")
    assert not budget.allows(501, "chat")


def test_what_one_chat_teaches_holds_for_no_other() -> None:
    budget = learned(100, 300, times=20)

    assert not budget.allows(500, "chat")
    assert budget.ratio("other") == 1
    assert budget.allows(1000, "other")


def test_it_knows_the_chats_that_were_answered_last() -> None:
    budget = learned(100, 200)
    for number in range(CHATS - 1):
        budget.learn(f"chat {number}", 100, 200)
    budget.learn("chat", 100, 200)
    budget.learn("one more", 100, 200)

    assert budget.ratio("chat 0") == 1
    assert all(budget.ratio(f"chat {number}") == 1.5 for number in range(1, CHATS - 1))
    assert budget.ratio("chat") == 1.75


@pytest.mark.parametrize(("counted", "bound"), [(1, LEAST_RATIO), (1_000_000, GREATEST_RATIO)])
def test_strange_figures_have_bounds(counted: int, bound: float) -> None:
    assert learned(100, counted, times=100).ratio("chat") == pytest.approx(bound, abs=0.01)


@pytest.mark.parametrize(("estimated", "counted"), [(0, 5), (5, 0)])
def test_no_figure_is_no_news(estimated: int, counted: int) -> None:
    assert learned(estimated, counted).ratio("chat") == 1
