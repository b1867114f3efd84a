"""Section 2.7 of the facts: new tokens on a joined channel, and tokens that expire."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.peer import Peer
from tests.support.realtime_fixtures import Connect, MakeToken, Policy


async def renew(peer: Peer, topic: str, token: Any) -> None:
    await peer.push(topic, "access_token", {"access_token": token})


async def shut(peer: Peer, topic: str) -> str:
    """The message of a channel's end."""
    said = (await peer.next("system", topic)).payload
    assert said["extension"], said["status"] == ("system", "error")
    assert said["channel"] == topic.removeprefix("realtime:")
    await peer.next("phx_close", topic)
    assert (await peer.ask(topic, "broadcast", {}))["response"] == {"reason": "unmatched topic"}
    return str(said["message"])


async def test_s2_7_a_good_token_gets_no_reply(peer: Peer, make_token: MakeToken, topic: str) -> None:
    await peer.joined(topic, {}, make_token())
    await renew(peer, topic, make_token())
    assert await peer.settled() == []


@pytest.mark.parametrize("token", [None, "sb_publishable_whatever", 5, ["x"]])
async def test_s2_7_what_is_no_new_token_is_ignored(peer: Peer, topic: str, token: Any) -> None:
    await peer.joined(topic)
    await renew(peer, topic, token)
    assert await peer.settled() == []


async def test_s2_7_the_same_token_again_is_ignored(peer: Peer, make_token: MakeToken, topic: str) -> None:
    token = make_token()
    await peer.joined(topic, {}, token)
    await renew(peer, topic, token)
    bad = "nonsense"
    await renew(peer, topic, bad)  # were the first one counted, this would wait for the throttle
    assert await shut(peer, topic) == "The token provided is not a valid JWT"


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"secret": "another project's secret, long enough"}, ":signature_error"),
        ({"role": None}, "Fields `role` and `exp` are required in JWT"),
    ],
)
async def test_s2_7_a_bad_token_closes_the_channel_in_these_words(
    peer: Peer, make_token: MakeToken, topic: str, claims: dict[str, Any], message: str
) -> None:
    await peer.joined(topic)
    await renew(peer, topic, make_token(**claims))
    assert await shut(peer, topic) == message


async def test_s2_7_an_expired_token_closes_the_channel(peer: Peer, make_token: MakeToken, topic: str) -> None:
    await peer.joined(topic)
    await renew(peer, topic, make_token(exp=int(time.time()) - 100))
    assert await shut(peer, topic) in {f"Token has expired {seconds} seconds ago" for seconds in range(100, 105)}


async def test_s2_7_a_channel_ends_when_its_token_does_and_the_socket_stays(
    peer: Peer, make_token: MakeToken, topic: str
) -> None:
    await peer.joined(topic, {}, make_token(exp=int(time.time()) + 2))
    assert (await shut(peer, topic)).startswith("Token has expired ")
    assert await peer.settled() == []


async def test_s2_7_a_new_token_puts_the_end_off(
    connect: Connect, peer: Peer, make_token: MakeToken, topic: str
) -> None:
    soon = int(time.time()) + 2
    witness = await connect()
    await witness.joined(f"{topic}-witness", {}, make_token(exp=soon))
    await peer.joined(topic, {}, make_token(exp=soon))
    await renew(peer, topic, make_token())
    await shut(witness, f"{topic}-witness")
    assert await peer.settled() == []


async def test_s2_7_of_the_tokens_that_follow_soon_after_the_first_the_last_counts(
    peer: Peer, make_token: MakeToken, topic: str
) -> None:
    await peer.joined(topic)
    await renew(peer, topic, make_token())  # at once
    await renew(peer, topic, "nonsense")  # held, and overtaken
    await renew(peer, topic, make_token())
    await asyncio.sleep(0.5)  # longer than the window: nothing is to be heard of
    assert await peer.settled() == []
    await renew(peer, topic, make_token())
    await renew(peer, topic, "nonsense")  # held until the window ends
    assert await shut(peer, topic) == "The token provided is not a valid JWT"


async def test_s2_7_another_users_token_makes_it_that_users_channel(
    peer: Peer, make_token: MakeToken, policy: Policy, topic: str
) -> None:
    policy("select", "true")
    policy("insert", "auth.jwt() ->> 'may' = 'write'")
    await peer.joined(topic, {"private": True, "broadcast": {"self": True}}, make_token())
    await peer.broadcast(topic, "denied", {})
    await renew(peer, topic, make_token(may="write"))  # forgets what may be written, too
    await peer.broadcast(topic, "allowed", {})
    assert (await peer.next("broadcast", topic)).payload["event"] == "allowed"
    assert await peer.settled() == []


async def test_s2_7_a_private_channel_ends_with_the_right_to_read_it(
    peer: Peer, make_token: MakeToken, policy: Policy, topic: str
) -> None:
    policy("select", "auth.jwt() ->> 'may' = 'read'")
    await peer.joined(topic, {"private": True}, make_token(may="read"))
    await renew(peer, topic, make_token())
    name = topic.removeprefix("realtime:")
    assert await shut(peer, topic) == f"You do not have permissions to read from this Channel topic: {name}"


async def test_s2_7_a_channel_that_may_read_less_than_before_ends(
    peer: Peer, make_token: MakeToken, policy: Policy, topic: str
) -> None:
    policy("select", "extension = any(array(select jsonb_array_elements_text(auth.jwt() -> 'may')))")
    config = {"private": True, "presence": {"enabled": True}}
    await peer.joined(topic, config, make_token(may=["broadcast", "presence"]))
    await peer.next("presence_state", topic)
    await renew(peer, topic, make_token(may=["broadcast"]))
    name = topic.removeprefix("realtime:")
    assert await shut(peer, topic) == f"You no longer have permission to read from this Channel topic: {name}"


async def test_s2_7_policies_are_nothing_to_a_public_channel(peer: Peer, make_token: MakeToken, topic: str) -> None:
    await peer.joined(topic, {}, make_token())
    await renew(peer, topic, make_token(role="anon"))
    assert await peer.settled() == []


async def test_s2_7_row_changes_follow_the_new_token_a_little_later(
    peer: Peer, database: Any, make_table: Callable[..., str], make_token: MakeToken, topic: str
) -> None:
    table = make_table("id int primary key, owner text", rls=True)
    database.execute(f"create policy own on public.{table} for select using (owner = auth.jwt() ->> 'who')".encode())
    await peer.subscribed(topic, {"event": "*", "schema": "public", "table": table}, token=make_token(who="ann"))
    database.execute(f"insert into public.{table} values (1, 'ann'), (2, 'ben')".encode())
    assert (await peer.next("postgres_changes")).payload["data"]["record"]["id"] == 1
    await renew(peer, topic, make_token(who="ben"))
    said = await peer.next("system", topic)
    assert said.payload["message"] == "Subscribed to PostgreSQL"
    database.execute(f"insert into public.{table} values (3, 'ann'), (4, 'ben')".encode())
    assert (await peer.next("postgres_changes")).payload["data"]["record"]["id"] == 4
    assert await peer.settled() == []
