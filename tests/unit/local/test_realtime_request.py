"""What a join asks for, as far as it can be understood."""

from worker.local.realtime.request import JoinRequest


def test_a_join_takes_what_it_understands_and_defaults_for_the_rest():
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
    assert JoinRequest.parse("room", {"config": []}) == JoinRequest()


def test_how_long_a_join_waits_is_bounded():
    def wait(**options):
        return JoinRequest.parse("room", {"config": {"postgres_changes_options": options}}).wait_ms

    assert wait() is None
    assert wait(wait=True) == 15_000
    assert wait(wait=True, timeout=60_000) == 20_000
    assert wait(wait=True, timeout="soon") == 15_000


def test_without_a_config_the_topic_is_the_subscription():
    request = JoinRequest.parse("public:todos:id=eq.1", {})
    assert request.legacy
    assert request.bindings == ({"schema": "public", "table": "todos", "filter": "id=eq.1"},)
