"""The HTTP server: the endpoints of Gemini's API that the worker and its check call."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from . import wire
from .answer_stream import encode, events, finished, new_id
from .call_log import Call, CallLog
from .fault_endpoints import fault_routes
from .fault_queue import FaultQueue
from .faults import Refuse
from .misbehaviour import Misbehaviour
from .refusals import refusal
from .tokens import count_tokens
from .wire import Request, RequestError

VERSIONS = ("v1", "v1beta")
LEAST_DEADLINE_SECONDS = 10


class OfflineModel:
    """The endpoints. `pace` is the pause before each piece of a stream, in seconds."""

    def __init__(self, pace: float, log: CallLog, faults: FaultQueue | None) -> None:
        self._pace = pace
        self._log = log
        self._faults = faults

    async def call(self, request: HttpRequest) -> Response:
        """POST /{version}/models/{model}:{method}"""
        model, _, method = request.path_params["call"].partition(":")
        _check_path(request, model)
        if method not in wire.METHODS:
            raise wire.not_found(f"Method {method!r} is not known.")
        call = Call(model, method, body=None)
        try:
            _check_key(request)
            _check_deadline(request)
            call.body = await _json(request)
            return self._answer(call, request)
        except RequestError as error:
            call.status, call.outcome = error.status, "refused"
            self._log.write(call)
            raise

    def _answer(self, call: Call, request: HttpRequest) -> Response:
        if call.method == "countTokens":
            return self._count_tokens(call)
        asked = wire.read_request(call.body)
        if call.method == "generateContent":
            return self._unary(call, asked)
        if request.query_params.get("alt") != "sse":
            raise wire.invalid("The offline model streams with alt=sse only.")
        return self._misbehave(call, asked, request) or StreamingResponse(
            self._stream(call, asked), media_type="text/event-stream"
        )

    def _count_tokens(self, call: Call) -> Response:
        body = call.body
        inner = body.get("generateContentRequest", body) if isinstance(body, dict) else body
        total = wire.read_request(inner).prompt_tokens
        self._complete(call, None)
        return JSONResponse({"totalTokens": total})

    def _unary(self, call: Call, request: Request) -> Response:
        text, finish_reason = finished(request)
        usage = wire.usage(request.prompt_tokens, count_tokens(text))
        call.pieces = 1
        self._complete(call, finish_reason)
        return JSONResponse(wire.chunk(text, usage, new_id(), finish_reason))

    async def _stream(self, call: Call, request: Request) -> AsyncIterator[str]:
        try:
            for event in events(request):
                await asyncio.sleep(self._pace)
                yield encode(event)
                call.pieces += 1
                call.finish_reason = event["candidates"][0].get("finishReason")
            call.outcome = "completed"
        finally:
            # If the client disconnects, the response is cancelled during a sleep, and the outcome stays "aborted".
            self._log.write(call)

    def _misbehave(self, call: Call, asked: Request, request: HttpRequest) -> Response | None:
        """The response if a fault applies to this call, else None."""
        fault = self._faults.take(call.model, asked.turns[-1].text) if self._faults is not None else None
        if fault is None:
            return None
        call.fault = fault.fault
        if isinstance(fault, Refuse):
            call.status, call.outcome = fault.status, "refused"
            self._log.write(call)
            return refusal(fault, call.model)
        return Misbehaviour(fault, asked, call, self._pace, self._log, request.state.transport).response()

    def _complete(self, call: Call, finish_reason: str | None) -> None:
        call.outcome, call.finish_reason = "completed", finish_reason
        self._log.write(call)


async def _list_models(request: HttpRequest) -> Response:
    _check_path(request, "")
    _check_key(request)
    return JSONResponse({"models": [wire.model_card(name) for name in wire.MODELS]})


async def _get_model(request: HttpRequest) -> Response:
    name = request.path_params["call"]
    _check_path(request, name)
    _check_key(request)
    return JSONResponse(wire.model_card(name))


async def _healthz(_: HttpRequest) -> Response:
    return JSONResponse({"status": "ok"})


def create_app(pace: float, log: CallLog, faults: FaultQueue | None = None) -> Starlette:
    """With `faults`, it must be served with OpenProtocol, since some faults need the connection."""
    model = OfflineModel(pace, log, faults)
    return Starlette(
        routes=[
            Route("/healthz", _healthz),
            *(fault_routes(faults) if faults is not None else []),
            Route("/{version}/models", _list_models),
            Route("/{version}/models/{call}", _get_model),
            Route("/{version}/models/{call}", model.call, methods=["POST"]),
        ],
        exception_handlers={RequestError: _refuse, HTTPException: _refuse_route},
    )


def _check_path(request: HttpRequest, model: str) -> None:
    if request.path_params["version"] not in VERSIONS:
        raise wire.not_found(f"API version {request.path_params['version']!r} is not known.")
    if model and not model.replace("-", "").replace(".", "").isalnum():
        raise wire.not_found(f"models/{model} is not found.")


def _check_key(request: HttpRequest) -> None:
    key = request.headers.get("x-goog-api-key")
    if key is None:
        raise RequestError(403, "PERMISSION_DENIED", "Method doesn't allow unauthenticated callers.")
    if not key.strip():
        raise wire.invalid("API key not valid. Please pass a valid API key.")


def _check_deadline(request: HttpRequest) -> None:
    seconds = request.headers.get("x-server-timeout", "")
    if seconds.isdecimal() and int(seconds) < LEAST_DEADLINE_SECONDS:
        raise wire.invalid(
            f"Manually set deadline {seconds}s is too short. Minimum allowed deadline is {LEAST_DEADLINE_SECONDS}s."
        )


async def _json(request: HttpRequest) -> Any:
    try:
        return json.loads(await request.body())
    except ValueError:
        raise wire.invalid("Invalid JSON payload received. Unexpected token.") from None


async def _refuse(_: HttpRequest, error: Any) -> Response:
    return JSONResponse(error.body, error.status)


async def _refuse_route(request: HttpRequest, _: Exception) -> Response:
    refusal = wire.not_found(f"{request.method} {request.url.path} is not known.")
    return JSONResponse(refusal.body, refusal.status)
