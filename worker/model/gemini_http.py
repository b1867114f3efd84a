"""Filters Gemini's HTTP responses before google-genai reads them: a refusal becomes an error of ours, and events keep
only the fields that we use.

google-genai does not support all of the event stream format (it fails for comments and `event:` lines), and fails for
any field with an unexpected type, even if it is not used.
"""

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import httpx2
from google.genai import types

from worker.errors import Truncated
from worker.model import endings, usage

LONGEST_EVENT = 8 * 2**20
"""Bytes; a whole answer is less than a tenth of it."""
LONGEST_REFUSAL = 2**18
"""Bytes of a refusal's body that are read; its status is more important."""
REFUSAL_SECONDS = 2.0

_REASONS = {reason.value for reason in types.FinishReason}
_BLOCKS = {reason.value for reason in types.BlockedReason}


async def read_answer(response: httpx2.Response) -> None:
    """An event hook of httpx2. Raises a ModelError for all but 200."""
    if response.status_code != 200:
        raise endings.refusal_of_all(response.status_code, await _body(response), response.headers)
    response.__class__ = EventStream


async def _body(response: httpx2.Response) -> Any:
    """Decoded JSON; None if the body cannot be read, and only the status counts."""
    content = b""
    with contextlib.suppress(httpx2.HTTPError, TimeoutError):
        async with asyncio.timeout(REFUSAL_SECONDS):
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > LONGEST_REFUSAL:
                    break
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(content.decode(errors="replace"))
    return None


class EventStream(httpx2.Response):
    """A response whose bytes are the events for google-genai, each written anew."""

    async def aiter_bytes(self, chunk_size: int | None = None) -> AsyncGenerator[bytes, None]:
        reader = EventReader()
        try:
            async for piece in super().aiter_bytes(chunk_size):
                for event in reader.read(piece):
                    yield event
        except httpx2.HTTPError:
            # The last event may be complete but for the blank line that ends it.
            with contextlib.suppress(Truncated):
                for event in reader.rest():
                    yield event
            raise
        for event in reader.rest():
            yield event


class EventReader:
    """Bytes in, cut anywhere; events out. Raises Truncated where a piece of the answer cannot be read."""

    def __init__(self) -> None:
        self._begun = False
        self._line: list[bytes] = []
        self._after_cr = False
        self._data: list[bytes] = []
        self._aside: list[bytes] | None = []
        """Lines outside of events, until the first event: they may be an error that is not sent as an event."""
        self._held = 0
        """Number of bytes since the last event."""

    def read(self, piece: bytes) -> Iterator[bytes]:
        """The events that this piece completes. Lines end with CR, LF or both."""
        if self._after_cr and piece:
            piece = piece.removeprefix(b"\n")
            self._after_cr = False
        for part in piece.splitlines(keepends=True):
            self._held += len(part)
            if self._held > LONGEST_EVENT:
                raise Truncated("an event without an end")
            self._line.append(part)
            if part.endswith((b"\n", b"\r")):
                self._after_cr = part.endswith(b"\r")
                yield from self._end_line()

    def rest(self) -> Iterator[bytes]:
        """The events that the end of the stream completes."""
        if self._line:
            yield from self._end_line()
        yield from self._end_event()
        if self._aside:
            with contextlib.suppress(Truncated):
                error = _parsed(b"".join(self._aside))
                yield _written(error[0] if isinstance(error, list) and error else error)

    def _end_line(self) -> Iterator[bytes]:
        line, self._line = b"".join(self._line).rstrip(b"\r\n"), []
        if not self._begun:
            line, self._begun = line.removeprefix(b"\xef\xbb\xbf"), True
        name, _, value = line.partition(b":")
        if not line:
            yield from self._end_event()
        elif name == b"data":
            self._data.append(value.removeprefix(b" "))
        elif name and self._aside is not None:
            self._aside.append(line)

    def _end_event(self) -> Iterator[bytes]:
        if self._data:
            data, self._data = b"\n".join(self._data), []
            self._aside, self._held = None, 0
            yield _written(_parsed(data))


def _written(event: Any) -> bytes:
    return b"data: " + json.dumps(_reduced(event)).encode() + b"\n\n"


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data.decode(errors="replace"), parse_int=_integer)
    except (ValueError, RecursionError):
        raise Truncated("an event that is not JSON") from None


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else math.inf


def _reduced(event: Any) -> dict[str, Any]:
    """The fields that we use. Raises a ModelError for an error event."""
    if not isinstance(event, dict):
        raise Truncated("an event of another shape")
    if error := event.get("error"):
        raise endings.refusal(error.get("code") if isinstance(error, dict) else None, event, {})
    kept = {
        "candidates": _first_candidate(event.get("candidates")),
        "promptFeedback": _feedback(event.get("promptFeedback")),
        "usageMetadata": usage.counts(event.get("usageMetadata")),
        "modelVersion": usage.model_version(event.get("modelVersion")),
    }
    return {name: value for name, value in kept.items() if value}


def _first_candidate(candidates: Any) -> list[dict[str, Any]]:
    """The candidate with index 0; others are alternative answers."""
    for each in _list(candidates):
        if isinstance(each, dict) and not each.get("index"):
            kept: dict[str, Any] = {"content": {"role": "model", "parts": _parts(each.get("content"))}}
            if reason := each.get("finishReason"):
                kept["finishReason"] = reason if _is_one_of(reason, _REASONS) else "FINISH_REASON_UNSPECIFIED"
            return [kept]
    return []


def _parts(content: Any) -> list[dict[str, Any]]:
    kept = []
    for part in _list(_object(content).get("parts")):
        text = _object(part).get("text")
        if not isinstance(text, str | None):
            raise Truncated("a piece of another shape")
        if text:
            kept.append({"text": text, "thought": bool(part.get("thought"))})
    return kept


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict | None):
        raise Truncated("a piece of another shape")
    return value or {}


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list | None):
        raise Truncated("a piece of another shape")
    return value or []


def _feedback(feedback: Any) -> dict[str, str] | None:
    reason = feedback.get("blockReason") if isinstance(feedback, dict) else None
    if not reason:
        return None
    return {"blockReason": reason if _is_one_of(reason, _BLOCKS) else "BLOCKED_REASON_UNSPECIFIED"}


def _is_one_of(word: Any, words: set[str]) -> bool:
    return isinstance(word, str) and word in words
