"""What Gemini answers over HTTP, read before google-genai reads it: a refusal becomes an error of ours, and an event
keeps only what an answer is made of.

google-genai reads less of an event stream than its standard allows (a comment or an `event:` line is an error for
it), and raises over any field of another type than it expects, though nobody needs the field.
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
"""Bytes; all of an answer fits into a tenth of it."""
LONGEST_REFUSAL = 2**18
"""Bytes of a refusal that are read: its status says the most of it."""
REFUSAL_SECONDS = 2.0

_REASONS = {reason.value for reason in types.FinishReason}
_BLOCKS = {reason.value for reason in types.BlockedReason}


async def read_answer(response: httpx2.Response) -> None:
    """An event hook of httpx2. Raises a ModelError for all but 200."""
    if response.status_code != 200:
        raise endings.refusal_of_all(response.status_code, await _body(response), response.headers)
    response.__class__ = EventStream


async def _body(response: httpx2.Response) -> Any:
    """As JSON has it, or None: a body that cannot be read changes nothing about the status."""
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
    """A response whose bytes are the events that google-genai is to read, each written anew."""

    async def aiter_bytes(self, chunk_size: int | None = None) -> AsyncGenerator[bytes, None]:
        reader = EventReader()
        try:
            async for piece in super().aiter_bytes(chunk_size):
                for event in reader.read(piece):
                    yield event
        except httpx2.HTTPError:
            # The last event may have come whole, without the blank line that ends it.
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
        """Lines that are no part of an event, until the first event: they may be an error, written without any."""
        self._held = 0
        """Bytes since the last event."""

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
        """What the end of the stream completes."""
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
    """What an answer is made of. Raises what an error within the stream means."""
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
    """By its index: the others are other answers to the same question."""
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
