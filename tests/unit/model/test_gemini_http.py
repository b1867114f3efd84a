"""What HTTP allows and the client does not do: redirects, cookies, a second answer on one connection."""

import json

import pytest

from tests.support.gemini import PROMPT, heard, talking
from tests.support.scripted_model import Exchange, chunk, says
from worker.errors import AccessRefused, ModelOverloaded


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(status: int) -> None:
    """The key and the whole prompt would go with it, to whatever host; and one call is one request."""
    async with talking(says(chunk("never"))) as (elsewhere, _):
        target = {"Location": f"{elsewhere.url}/v1/models/m:streamGenerateContent?alt=sse"}
        _, _, error = await heard(lambda exchange: exchange.answer(status, b"", target))
        assert isinstance(error, AccessRefused)
        assert elsewhere.requests == []


@pytest.mark.parametrize("status", [200, 503])
async def test_no_cookie_is_kept(status: int) -> None:
    async def script(exchange: Exchange) -> None:
        body = b"data: " + json.dumps(chunk("x", "STOP")).encode() + b"\n\n"
        await exchange.answer(status, body, {"Set-Cookie": "who=we; Path=/; Max-Age=1000"})

    async with talking(script) as (server, gemini):
        for _ in range(2):
            async with gemini.stream("m", PROMPT) as stream:
                try:
                    assert [piece async for piece in stream] == ["x"]
                except ModelOverloaded:
                    assert status == 503
        assert len(server.requests) == 2
        assert all("cookie" not in request.headers for request in server.requests)


@pytest.mark.parametrize("status", [200, 503])
async def test_what_an_answer_has_beyond_its_length_is_never_another_s(status: int) -> None:
    """Two calls of two users: the bytes would be the second one's answer."""
    first = b"data: " + json.dumps(chunk("mine", "STOP")).encode() + b"\n\n"
    rest = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(first) + first

    async def script(exchange: Exchange) -> None:
        await exchange.answer(status, first + rest, {"Content-Length": str(len(first))})

    async with talking(script, says(chunk("yours", "STOP"))) as (server, gemini):
        shown = []
        for _ in range(2):
            async with gemini.stream("m", PROMPT) as stream:
                try:
                    shown.append([piece async for piece in stream])
                except ModelOverloaded:
                    shown.append([])
        assert shown[1] == ["yours"]
        assert len(server.requests) == 2
