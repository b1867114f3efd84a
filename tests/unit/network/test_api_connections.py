"""What a gateway or a cancelled call does to a connection costs one call at most."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.support.api_clients import CLIENTS, Client, worker_settings
from tests.support.before_api import gateway
from tests.support.project_server import serving
from tests.support.waiting import until
from worker.database.rpc import Database
from worker.errors import DatabaseAway
from worker.local.supabase.hosted.manners import Cut, Manners, Verdict
from worker.local.supabase.hosted.messages import Request

MOMENTS = 40  # turns of the loop, more than a call takes here


@pytest.mark.parametrize("is_first", [True, False])
async def test_a_call_that_is_given_up_at_any_moment_costs_no_connection(is_first: bool) -> None:
    """httpcore keeps one for good that is cancelled while it is being opened or taken."""
    with serving() as project:
        for moment in range(MOMENTS):
            database = await Database.connect(worker_settings(project.url), 5.0, 1)
            if not is_first:
                await database.ask("ops_queue", {})
            call = asyncio.create_task(database.ask("ops_queue", {}))
            for _ in range(moment):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            assert await database.ask("ops_queue", {}) == {}, moment
            await database.close()


class Noting(Manners):
    """Notes each request; `cut` ends one of them without an answer, once all that are under way have come."""

    def __init__(self, cut: Cut | None = None, at: int = 0) -> None:
        self.requests: list[Request] = []
        self._cut, self._at = cut, at

    def judge(self, request: Request) -> Verdict:
        self.requests.append(request)
        is_hurt = self._cut is not None and len(self.requests) == self._at
        return Verdict(instead=self._cut if is_hurt else None, delay=0.0 if is_hurt else 0.3)

    @property
    def spoke_http2(self) -> bool:
        """Only there, no request names its host as a header."""
        return any(not request.header("host") for request in self.requests)


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's; what our clients trust is in the environment."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.mark.parametrize("ask", CLIENTS)
async def test_a_gateway_that_offers_http2_is_asked_by_http1(ask: Client, tls: ssl.SSLContext) -> None:
    manners = Noting()
    with serving() as project, gateway(project.server_address[1], manners, tls=tls) as port:
        await ask(f"https://127.0.0.1:{port}")
    assert len(manners.requests) == 2
    assert not manners.spoke_http2


@pytest.mark.parametrize("cut", Cut)
async def test_whatever_a_gateway_ends_ends_one_call_of_many(cut: Cut, tls: ssl.SSLContext) -> None:
    """Over HTTP/2 a GOAWAY or a lost connection would end all twenty."""
    manners = Noting(cut, at=20)
    with serving() as project, gateway(project.server_address[1], manners, tls=tls) as port:
        database = await Database.connect(worker_settings(f"https://127.0.0.1:{port}"), 20.0, 30)
        answers = await asyncio.gather(*(database.ask("ops_queue", {}) for _ in range(20)), return_exceptions=True)
        assert await database.ask("ops_queue", {}) == {}
        await database.close()
    assert [type(answer) for answer in answers if answer != {}] == [DatabaseAway], [
        (str(a), repr(a.__cause__)) for a in answers if a != {}
    ]


async def test_a_connection_that_was_cut_while_idle_costs_no_call(tls: ssl.SSLContext) -> None:
    with serving() as project, gateway(project.server_address[1], Noting(), tls=tls, idle_seconds=2.0) as port:
        database = await Database.connect(worker_settings(f"https://127.0.0.1:{port}"), 20.0, 2)
        transport: Any = database._client.postgrest.session._transport
        pool = transport._pool
        for _ in range(2):
            assert await database.ask("ops_queue", {}) == {}
            assert len(pool.connections) == 1
            await until(pool.connections[0].has_expired, "the connection to be cut", 30)
        assert await database.ask("ops_queue", {}) == {}
        await database.close()
