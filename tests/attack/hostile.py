"""Eight accounts, each of which does one kind of harm for as long as it is let.

In a process of their own, as an attacker's programs are: what they cost must not slow down those who measure.
"""

import asyncio
import contextlib
import json
import os
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.attack.attacker import Attacker, Harvest, Send, command, question_in, request
from tests.attack.target import Account, Target

# A filter on one's own text that takes a second or more.
SLOW = r"match.^(a+)(a+)(a+)\1\2\3$"
LONG = "a" * 401
FORGED = "forged"  # what a public channel of the same name gives back to who sent it
TABLES = ("chat_messages", "chat_sessions", "chat_replies", "chat_reply_drafts", "chat_session_summaries")


async def regenerates(own: Attacker) -> None:
    """Another answer, and another, of each chat."""
    async with own.rest_client() as http:
        await asyncio.gather(
            *(own.repeat(http, command("regenerate_reply", question)) for question in own.account.questions)
        )


async def replaces(own: Attacker) -> None:
    """Each question takes the place of the one before, while that is being answered."""
    async with own.rest_client() as http:

        async def in_chat(session: str, newest: str) -> None:
            while not own.is_over:
                body = question_in(session, "Again?", replaces=newest)
                answer = await own.count(request("POST", "/chat_messages", json=body), http)
                if answer is not None and answer.is_success:
                    newest = body["id"]

        await asyncio.gather(*map(in_chat, own.account.sessions, own.account.questions))


async def asks_and_stops(own: Attacker) -> None:
    """Asks and cancels, in all chats at once, and asks in bulk."""
    async with own.rest_client() as http:

        async def in_chat(session: str) -> None:
            while not own.is_over:
                bodies = [question_in(session) for _ in range(own.chance.choice([1, 1, 25]))]
                await own.count(request("POST", "/chat_messages", json=bodies), http)
                await own.count(command("cancel_reply", bodies[-1]["id"]), http)

        await asyncio.gather(*map(in_chat, own.account.sessions))


async def holds_locks(own: Attacker) -> None:
    """Sixty commands at a time, some of which would hold their locks for as long as a filter takes."""
    async with own.rest_client() as http:

        def sends(session: str, question: str) -> tuple[Send, ...]:
            filtered = {"select": "message_id,m:chat_messages!message_id(id)", "m.content": SLOW}
            row = {"session_id": session, "role": "user", "content": LONG}
            return (
                request("POST", "/rpc/cancel_reply", params=filtered, json={"message_id": question}),
                command("retry_reply", question),
                request("POST", "/chat_messages", params={"select": "id", "content": SLOW}, json=row),
            )

        chats = list(zip(own.account.sessions, own.account.questions, strict=True))
        await asyncio.gather(*(own.repeat(http, *sends(*chats[n % len(chats)])) for n in range(60)))


async def archives(own: Attacker) -> None:
    """Archives and reopens all of its chats with one request, again and again."""
    async with own.rest_client() as http:
        ways = [
            request("PATCH", "/chat_sessions?id=not.is.null", json={"status": status})
            for status in ("archived", "active")
        ]
        await asyncio.gather(*(own.repeat(http, *ways, pause=0.1) for _ in range(4)))


async def takes_ids(own: Attacker) -> None:
    """Opens and deletes chats, sends ids that are used up, and asks for, with and in what others own."""
    async with own.rest_client() as http:

        async def opens_and_deletes(analysis: str) -> None:
            opens = request("POST", "/rpc/open_chat_session", json={"post_analysis_id": analysis})
            while not own.is_over:
                answer = await own.count(opens, http)
                if answer is None or answer.is_error:
                    continue
                session = answer.json()["id"]
                row = question_in(session)
                await own.count(request("POST", "/chat_messages", json=row), http)
                await own.count(request("DELETE", f"/chat_sessions?id=eq.{session}"), http)
                used_up = {**row, "session_id": own.account.sessions[0]}
                await own.count(request("POST", "/chat_messages", json=used_up), http)

        async def reads_others() -> None:
            while not own.is_over:
                stranger = own.chance.choice(own.account.strangers)
                for send in (
                    *(request("GET", f"/{table}", params={"limit": 1000}) for table in TABLES),
                    request("GET", "/chat_messages", params={"session_id": f"eq.{stranger}"}),
                    *(command(name, stranger) for name in ("cancel_reply", "retry_reply", "regenerate_reply")),
                ):
                    answer = await own.count(send, http)
                    if answer is not None and answer.is_success:
                        own.look_for_strangers(answer.text)
                answer = await own.count(request("POST", "/chat_messages", json=question_in(stranger)), http)
                if answer is not None and answer.is_success:
                    own.harvest.leaks.append(f"wrote into {stranger}")

        await asyncio.gather(*map(opens_and_deletes, own.account.analyses[-3:]), reads_others())


async def fills_the_web_server(own: Attacker) -> None:
    """Streams that stay open, exports, heads that are never finished, bearers of sixty kilobytes."""
    address = urlsplit(own.target.web)

    async def half_a_request() -> None:
        while not own.is_over:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(address.hostname, address.port)
                writer.write(b"GET / HTTP/1.1\r\nHost: " + address.netloc.encode() + b"\r\nX-Slow: ")
                await asyncio.sleep(5)
                writer.close()

    async with own.web_client() as http:

        def asks(session: str) -> Send:
            headers = {"Accept": "text/event-stream"}
            return request(
                "POST", f"/api/chat/sessions/{session}/messages/", json={"message": "Why?"}, headers=headers
            )

        def exports(session: str) -> Send:
            return request("GET", f"/api/chat/sessions/{session}/export", params={"format": "pdf"})

        sessions = own.account.sessions
        odd = {"authorization": f"Bearer {'a' * 60_000}"}
        await asyncio.gather(
            *(own.repeat(http, asks(session)) for session in sessions * 3),
            *(own.repeat(http, exports(session)) for session in sessions[:3]),
            own.repeat(http, request("GET", "/api/chat/sessions/", headers=odd), pause=0.2),
            *(half_a_request() for _ in range(80)),
        )


async def floods_realtime(own: Attacker) -> None:
    """Joins strangers' channels and the workers', forges events in them, and joins its own in a loop."""

    async def socket() -> None:
        while not own.is_over:
            try:
                await talk()
            except (OSError, WebSocketException) as error:
                own.answers[type(error).__name__] += 1
                await asyncio.sleep(0.5)

    async def talk() -> None:
        query = f"?apikey={own.target.key}&vsn=1.0.0"
        async with connect(own.target.realtime + query, open_timeout=5, close_timeout=1) as there:
            for number in range(60):
                topic = (
                    f"realtime:chat:{own.chance.choice([*own.account.strangers, 'worker', *own.account.sessions])}"
                )
                config = {"private": own.chance.random() < 0.8, "broadcast": {"self": True}}
                joining = {"config": config, "access_token": own.account.token}
                event = {"type": "broadcast", "event": "message", "payload": {"record": {"content": FORGED}}}
                for name, payload in (("phx_join", joining), ("broadcast", event), ("phx_leave", {})):
                    message = {"topic": topic, "event": name, "payload": payload, "ref": str(number), "join_ref": "1"}
                    await there.send(json.dumps(message))
                with contextlib.suppress(TimeoutError):
                    text = str(await asyncio.wait_for(there.recv(), 0.2))
                    own.answers[_status(text)] += 1
                    if '"record"' in text and FORGED not in text:
                        own.look_for_strangers(text)

    await asyncio.gather(*(socket() for _ in range(4)))


def _status(text: str) -> str:
    message = json.loads(text)
    payload = message.get("payload") or {}
    reason = str((payload.get("response") or {}).get("reason", ""))[:40] if isinstance(payload, dict) else ""
    return f"{message.get('event')} {payload.get('status', '')} {reason}".strip()


ATTACKS = (
    regenerates, replaces, asks_and_stops, holds_locks, archives, takes_ids, fills_the_web_server, floods_realtime,
)  # fmt: skip


def attack(target: Target, accounts: list[Account], seconds: float, at_most: float, seed: int) -> Harvest:
    """Each account does one of ATTACKS, all at once, for so many seconds: see Attacker.

    What attackers compute, they compute on machines of their own. On the same cores as what they attack, they get
    what that leaves: what is measured is what their requests cost, and not what making them does.
    """
    os.nice(19)
    return asyncio.run(_attack(target, accounts, seconds, at_most, seed))


async def _attack(target: Target, accounts: list[Account], seconds: float, at_most: float, seed: int) -> Harvest:
    harvest = Harvest()
    attackers = [
        (way, Attacker(target, account, seconds, at_most, seed + number, harvest, way.__name__))
        for number, (way, account) in enumerate(zip(ATTACKS, accounts, strict=True))
    ]
    await asyncio.gather(*(way(attacker) for way, attacker in attackers))
    return harvest
