"""Every manner of an event stream is read."""

import json
from typing import Any

import pytest

from tests.support.gemini import heard, usage
from tests.support.scripted_model import Exchange, chunk
from worker.errors import ModelOverloaded, Truncated

USED = usage(12, 5)
WHOLE = [chunk("All of "), chunk("it.", "STOP", **USED)]


def framed(*lines: str, end: str = "\r\n") -> bytes:
    return "".join(f"{line}{end}" for line in lines).encode()


FIRST, LAST = json.dumps(WHOLE[0]), json.dumps(WHOLE[1])
PARTED = json.dumps(WHOLE[1], indent=1).splitlines()


@pytest.mark.parametrize(
    "stream",
    [
        framed(": ping", "", f"data: {FIRST}", "", ": ping", f"data: {LAST}", ""),
        framed("event: message", "id: 7", "retry: 100", f"data: {FIRST}", "", "event", f"data: {LAST}", ""),
        framed(f"data:{FIRST}", "", f"data:{LAST}", ""),
        framed(f"\ufeffdata: {FIRST}", "", f"data: {LAST}", ""),
        framed(f"data: {FIRST}", "", f"data: {LAST}", "", end="\n"),
        framed(f"data: {FIRST}", "", f"data: {LAST}", "", end="\r"),
        framed("brand-new: x", "x", f"data: {FIRST}", "", f"data: {LAST}"),
        framed(f"data: {FIRST}", "", *(f"data: {line}" for line in PARTED), "", "data", ""),
    ],
    ids=["comments", "fields", "no blank", "BOM", "LF", "CR", "unknown lines", "several lines"],
)
@pytest.mark.parametrize("size", [10_000, 7, 1])
async def test_every_manner_of_an_event_stream_is_read(stream: bytes, size: int) -> None:
    async def script(exchange: Exchange) -> None:
        for at in range(0, len(stream), size):
            await exchange.raw(stream[at : at + size])

    pieces, said, error = await heard(script)
    assert (pieces, said.finish_reason, error) == (["All of ", "it."], "stop", None)


async def test_an_event_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.model.gemini_http.LONGEST_EVENT", 10_000)

    async def script(exchange: Exchange) -> None:
        while not exchange.gone.is_set():
            await exchange.raw(b" " * 1000)

    _, _, error = await heard(script)
    assert isinstance(error, Truncated)


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("wrapped", [False, True])
async def test_an_error_that_is_no_event_is_heard(indent: int | None, wrapped: bool) -> None:
    error_body: Any = {"error": {"code": 503, "status": "UNAVAILABLE"}}
    content = json.dumps([error_body] if wrapped else error_body, indent=indent).encode()

    _, _, error = await heard(lambda exchange: exchange.answer(200, content))
    assert (type(error), str(error)) == (ModelOverloaded, "503 UNAVAILABLE")
