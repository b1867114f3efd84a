"""What a join asks for, as far as it can be understood."""

from typing import Any

import pytest

from worker.local.realtime.request import JoinRequest, JoinUnreadable


def test_a_join_takes_what_it_understands_and_defaults_for_the_rest() -> None:
    request = JoinRequest.parse(
        "room",
        {
            "config": {
                "private": "true",
                "broadcast": {"self": True, "ack": "no"},
                "presence": None,
                "postgres_changes": [None, {"schema": "public"}],
            },
            "access_token": "sb_publishable_a",
        },
    )
    assert request == JoinRequest(private=True, broadcast_self=True, bindings=({"schema": "public"},))
    assert JoinRequest.parse("room", {"config": None}) == JoinRequest()


@pytest.mark.parametrize("config", [[], "x", 1, False, {"postgres_changes": ["x"]}, {"postgres_changes": [[]]}])
def test_a_join_that_is_no_object_cannot_be_read(config: list[Any] | str | int | bool | dict[str, Any]) -> None:
    with pytest.raises(JoinUnreadable):
        JoinRequest.parse("room", {"config": config})


@pytest.mark.parametrize(
    ("key", "expected"), [(42, "42"), (1.5, "1.5"), (True, "true"), ("k", "k"), (None, ""), ({}, "")]
)
def test_a_presence_key_may_be_a_number(key: float | bool | str | dict[str, Any] | None, expected: str) -> None:
    """2.129.8, lib/realtime_web/channels/payloads/presence.ex."""
    assert JoinRequest.parse("room", {"config": {"presence": {"key": key}}}).presence_key == expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"access_token": "new", "user_token": "old"}, "old"),
        ({"access_token": "sb_x", "user_token": "old"}, None),
        ({"access_token": None, "user_token": "sb_x"}, None),
        ({"access_token": "new", "user_token": 1}, "new"),
        ({"access_token": ""}, ""),
        ({}, None),
    ],
)
def test_which_token_counts(payload: dict[str, Any], expected: str | None) -> None:
    """2.129.8, lib/realtime_web/channels/realtime_channel.ex, assign_access_token."""
    assert JoinRequest.parse("room", {"config": {}, **payload}).access_token == expected


def test_how_long_a_join_waits_is_bounded() -> None:
    def wait(**options: Any) -> int | None:
        return JoinRequest.parse("room", {"config": {"postgres_changes_options": options}}).wait_ms

    assert wait() is None
    assert wait(wait=True) == 15_000
    assert wait(wait=True, timeout=60_000) == 20_000
    assert wait(wait=True, timeout="soon") == 15_000


def test_without_a_config_the_topic_is_the_subscription() -> None:
    request = JoinRequest.parse("public:todos:id=eq.1", {})
    assert request.legacy
    assert request.bindings == ({"schema": "public", "table": "todos", "filter": "id=eq.1"},)
