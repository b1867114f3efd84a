"""The HTTP side: the routes of Gemini's API that the worker calls, answered from retrieval."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from . import wire
from .answers import answer
from .call_log import Call, CallLog
from .tokens import count_tokens, pieces, truncate
from .wire import Request, RequestError

VERSIONS = ("v1", "v1beta")


class OfflineModel:
    """The endpoints. `pace` is the pause before each piece of a stream, in seconds."""

    def __init__(self, pace: float, log: CallLog) -> None:
        self._pace = pace
        self._log = log

    async def call(self, request: HttpRequest) -> Response:
        """POST /{version}/models/{model}:{method}"""
        model, _, method = request.path_params["call"].partition(":")
        _check_path(request, model)
        if method not in wire.METHODS:
            raise wire.not_found(f"Method {method!r} is not known.")
        call = Call(model, method, body=None)
        try:
            _check_key(request)
            call.body = await _json(request)
            return self._answer(call, request.query_params.get("alt"))
        except RequestError as error:
            call.status, call.outcome = error.status, "refused"
            self._log.write(call)
            raise

    def _answer(self, call: Call, alt: str | None) -> Response:
        if call.method == "countTokens":
            return self._count_tokens(call)
        request = wire.read_request(call.body)
        if call.method == "generateContent":
            return self._unary(call, request)
        if alt != "sse":
            raise wire.invalid("The offline model streams with alt=sse only.")
        return StreamingResponse(self._stream(call, request), media_type="text/event-stream")

    def _count_tokens(self, call: Call) -> Response:
        body = call.body
        inner = body.get("generateContentRequest", body) if isinstance(body, dict) else body
        total = wire.read_request(inner).prompt_tokens
        self._complete(call, None)
        return JSONResponse({"totalTokens": total})

    def _unary(self, call: Call, request: Request) -> Response:
        text, finish_reason = _finished(request)
        usage = wire.usage(request.prompt_tokens, count_tokens(text))
        call.pieces = 1
        self._complete(call, finish_reason)
        return JSONResponse(wire.chunk(text, usage, _response_id(), finish_reason))

    async def _stream(self, call: Call, request: Request) -> AsyncIterator[str]:
        text, finish_reason = _finished(request)
        parts = pieces(text)
        response_id = _response_id()
        shown = 0
        try:
            for number, part in enumerate(parts, start=1):
                await asyncio.sleep(self._pace)
                shown += len(part)
                usage = wire.usage(request.prompt_tokens, count_tokens(text[:shown]))
                last = finish_reason if number == len(parts) else None
                yield _event(wire.chunk(part, usage, response_id, last))
                call.pieces = number
            call.outcome, call.finish_reason = "completed", finish_reason
        finally:
            # A client that leaves cancels the response while it sleeps: the call is then still "aborted".
            self._log.write(call)

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


def create_app(pace: float, log: CallLog) -> Starlette:
    model = OfflineModel(pace, log)
    return Starlette(
        routes=[
            Route("/healthz", _healthz),
            Route("/{version}/models", _list_models),
            Route("/{version}/models/{call}", _get_model),
            Route("/{version}/models/{call}", model.call, methods=["POST"]),
        ],
        exception_handlers={RequestError: _refuse, HTTPException: _refuse_route},
    )


def _finished(request: Request) -> tuple[str, str]:
    """The answer as far as the request allows, and why it ends there."""
    text = answer(request.turns, request.system_instruction)
    limit = request.max_output_tokens
    if limit is not None and count_tokens(text) > limit:
        return truncate(text, limit), "MAX_TOKENS"
    return text, "STOP"


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


async def _json(request: HttpRequest) -> Any:
    try:
        return json.loads(await request.body())
    except ValueError:
        raise wire.invalid("Invalid JSON payload received. Unexpected token.") from None


def _event(payload: dict[str, Any]) -> str:
    return f"data: {json.dumps(payload, ensure_ascii=False)}\r\n\r\n"


def _response_id() -> str:
    return uuid.uuid4().hex


async def _refuse(_: HttpRequest, error: Any) -> Response:
    return JSONResponse(error.body, error.status)


async def _refuse_route(request: HttpRequest, _: Exception) -> Response:
    refusal = wire.not_found(f"{request.method} {request.url.path} is not known.")
    return JSONResponse(refusal.body, refusal.status)
