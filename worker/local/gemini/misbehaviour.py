"""Faults of a stream: it stalls, breaks off, contains garbage, or ends irregularly."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Send

from . import connection, manners
from .answer_stream import encode, events
from .call_log import Call, CallLog
from .faults import (
    AfterTheEnd,
    BlockedPrompt,
    BlockedThenStop,
    Close,
    EmptyText,
    ErrorEvent,
    Fault,
    Figures,
    Finish,
    Framing,
    Garbage,
    Limit,
    NoCandidates,
    Refuse,
    Repeat,
    Reset,
    Say,
    Slow,
    Stall,
    TwoAnswers,
)
from .refusals import error_body
from .wire import Request

# Pause before a connection is closed, since a reset discards what the client has not read yet.
SETTLE_SECONDS = 0.1

_GARBAGE = {
    "invalid_json": "data: {not json\r\n\r\n",
    "half_event": 'data: {"candidates": [{"cont',
    "comment": ": ping\r\n\r\n",
    "html": "<html><body>Bad gateway</body></html>\r\n\r\n",
}


class LateHeaders(StreamingResponse):
    """Sends its headers with its first piece, even an empty one, so that faults can occur before the headers."""

    async def stream_response(self, send: Send) -> None:
        begun = False
        async for piece in self.body_iterator:
            if not begun:
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                begun = True
            await send({"type": "http.response.body", "body": str(piece).encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Misbehaviour:
    """One call with a fault. `pace`: seconds before each piece. The call is logged when it has ended."""

    def __init__(
        self, fault: Fault, request: Request, call: Call, pace: float, log: CallLog, transport: asyncio.Transport
    ) -> None:
        self._fault = fault
        self._events = events(request, fault.text if isinstance(fault, Say) else None)
        self._call = call
        self._pace = pace
        self._log = log
        self._transport = transport

    def response(self) -> LateHeaders:
        return LateHeaders(self._logged(), media_type="text/event-stream")

    async def _logged(self) -> AsyncIterator[str]:
        try:
            async for piece in self._misbehave(self._fault):
                yield piece
            self._call.outcome = "completed"
        finally:
            self._log.write(self._call)

    def _misbehave(self, fault: Fault) -> AsyncIterator[str]:
        match fault:
            case Stall():
                return self._stall(fault)
            case Reset() | Close():
                return self._cut(fault)
            case Garbage():
                return self._then(fault.after, _GARBAGE[fault.kind])
            case ErrorEvent():
                return self._then(fault.after, encode(error_body(fault, self._call.model)))
            case Finish():
                return self._finish(fault)
            case BlockedPrompt():
                return self._only(promptFeedback={"blockReason": fault.reason})
            case NoCandidates():
                return self._only(candidates=[])
            case EmptyText():
                return self._empty()
            case Slow() | Say():
                if fault.pace_ms is not None:
                    self._pace = fault.pace_ms / 1000
                return self._say(0, None)
            case AfterTheEnd():
                return self._after_the_end(fault)
            case Framing():
                return self._framed(fault)
            case Figures() | Repeat() | TwoAnswers() | BlockedThenStop():
                self._events = manners.changed(self._events, fault)
                return self._say(0, None)
            case Refuse() | Limit():
                raise TypeError("A refusal is no stream.")

    async def _say(self, first: int, end: int | None) -> AsyncIterator[str]:
        """These pieces of the answer; the very last one has the finish reason."""
        for event in self._events[first:end]:
            await asyncio.sleep(self._pace)
            yield encode(event)
            self._call.pieces += 1
            self._call.finish_reason = event["candidates"][-1].get("finishReason")

    async def _begin(self, after: int | None) -> AsyncIterator[str]:
        """What is sent before the fault: nothing, the headers, or `after` pieces, but never the whole answer."""
        if after is not None:
            yield ""
            async for piece in self._say(0, min(after, len(self._events) - 1)):
                yield piece

    async def _stall(self, fault: Stall) -> AsyncIterator[str]:
        async for piece in self._begin(fault.after):
            yield piece
        await _silence(fault.seconds)
        async for piece in self._say(self._call.pieces, None):
            yield piece

    async def _cut(self, fault: Reset | Close) -> AsyncIterator[str]:
        async for piece in self._begin(fault.after):
            yield piece
        async for piece in self._break(isinstance(fault, Reset)):
            yield piece

    async def _after_the_end(self, fault: AfterTheEnd) -> AsyncIterator[str]:
        async for piece in self._say(0, None):
            yield piece
        match fault.manner:
            case "junk":
                yield "[DONE]\r\n\r\ndata: [DONE]\r\n\r\n"
            case "silence":
                await _silence(None)
            case manner:
                async for piece in self._break(manner == "reset"):
                    yield piece

    async def _framed(self, fault: Framing) -> AsyncIterator[str]:
        is_first = True
        async for piece in self._say(0, None):
            yield manners.framed(piece, fault.manner, is_first)
            is_first = False

    async def _break(self, is_reset: bool) -> AsyncIterator[str]:
        yield ""
        await asyncio.sleep(SETTLE_SECONDS)
        self._call.outcome = "reset" if is_reset else "closed"
        (connection.reset if is_reset else connection.close)(self._transport)
        await _silence(None)  # until uvicorn notices the disconnect and cancels this

    async def _then(self, after: int, last: str) -> AsyncIterator[str]:
        async for piece in self._begin(after):
            yield piece
        yield last

    async def _finish(self, fault: Finish) -> AsyncIterator[str]:
        told = self._events[: fault.after]
        for event in told:
            event["candidates"][0].pop("finishReason", None)
        async for piece in self._say(0, len(told)):
            yield piece
        if fault.reason:
            self._call.finish_reason = fault.reason
            yield encode(self._bare(candidates=[{"finishReason": fault.reason, "index": 0}]))
        elif not told:
            yield ""

    async def _only(self, **fields: Any) -> AsyncIterator[str]:
        yield encode(self._bare(**fields))

    async def _empty(self) -> AsyncIterator[str]:
        content = {"parts": [{"text": ""}], "role": "model"}
        self._call.pieces, self._call.finish_reason = 1, "STOP"
        yield encode(self._bare(candidates=[{"content": content, "finishReason": "STOP", "index": 0}]))

    def _bare(self, **fields: Any) -> dict[str, Any]:
        """An event without text, with the usage of the last event that was sent."""
        last = self._events[max(self._call.pieces - 1, 0)]
        usage = dict(last["usageMetadata"])
        if not self._call.pieces:
            del usage["candidatesTokenCount"]
            usage["totalTokenCount"] = usage["promptTokenCount"]
        return {
            **fields,
            "usageMetadata": usage,
            "modelVersion": last["modelVersion"],
            "responseId": last["responseId"],
        }


async def _silence(seconds: float | None) -> None:
    if seconds is None:
        await asyncio.Event().wait()
    else:
        await asyncio.sleep(seconds)
