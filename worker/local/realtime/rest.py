"""Broadcasts over HTTP: several at once, or one whose body is the payload itself."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from worker.local.realtime import json_text, tokens
from worker.local.realtime.authorization import Identity, MissingPartition, PolicyFailed, PolicyTimeout, Unanswered
from worker.local.realtime.database import DatabaseAway
from worker.local.realtime.limits import Limits, TooMany
from worker.local.realtime.serializer import UserBroadcast
from worker.local.realtime.services import Services

JSON_TYPE = "application/json"
BINARY_TYPE = "application/octet-stream"
# 2.129.8, lib/realtime/tenants/single_broadcast.ex
UNANSWERED: Mapping[type[Exception], str] = {
    PolicyFailed: "RLS policy error",
    PolicyTimeout: "Query canceled",
    MissingPartition: "Missing messages partition",
    DatabaseAway: "Tenant database unavailable",
}
TOO_LARGE = "Payload size exceeds tenant limit"


class Refused(Exception):
    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(status)
        self.response = JSONResponse(body, status_code=status)


async def broadcast_batch(request: Request) -> Response:
    return await _limited(request, _broadcast_batch)


async def broadcast_one(request: Request) -> Response:
    return await _limited(request, _broadcast_one)


async def _limited(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    """Requests have a rate of their own, apart from the messages in them."""
    rate = request.app.state.services.limits.requests
    if rate.average > rate.limit:
        response: Response = JSONResponse({"message": "Too many requests"}, status_code=429)
    else:
        rate.add()
        response = await answer(request)
    rolling = round(rate.average)
    response.headers["x-rate-rolling"] = str(rolling)
    response.headers["x-rate-limit"] = str(rate.limit)
    response.headers["x-rate-limit-remaining"] = str(max(0, rate.limit - rolling))
    return response


async def _broadcast_batch(request: Request) -> Response:
    """`{"messages": [{topic, event, payload, private?}]}`. What may not be written is left out: still 202."""
    services: Services = request.app.state.services
    try:
        identity = _identity(request, services)
        messages = _messages(await request.body(), services.limits)
        _check_rate(services.limits, len(messages))
    except Refused as refusal:
        return refusal.response
    may_write: dict[str, bool] = {}
    for message in messages:
        topic, private = message["topic"], message.get("private") in (True, "true")
        if private and topic not in may_write:
            try:
                may_write[topic] = await services.authorization.may_write(identity, topic)
            except (DatabaseAway, Unanswered):
                may_write[topic] = False
        if not private or may_write[topic]:
            services.limits.events.add()
            services.rooms.broadcast(topic, private, _envelope(message))
    return Response(status_code=202)


async def _broadcast_one(request: Request) -> Response:
    """The body is the payload: JSON, or bytes."""
    services: Services = request.app.state.services
    topic, event = request.path_params["topic"], request.path_params["event"]
    private = request.query_params.get("private") == "true"
    try:
        identity = _identity(request, services)
        payload = _payload(request.headers.get("content-type", ""), await request.body(), event)
        _check_size(services.limits, payload.payload)
        _check_rate(services.limits, 1)
    except Refused as refusal:
        return refusal.response
    if private:
        try:
            if not await services.authorization.may_write(identity, topic):
                return JSONResponse({"message": "Unauthorized"}, status_code=403)
        except (DatabaseAway, Unanswered) as error:
            return JSONResponse({"message": UNANSWERED[type(error)]}, status_code=422)
    services.limits.events.add()
    services.rooms.broadcast(topic, private, payload)
    return Response(status_code=202)


def _identity(request: Request, services: Services) -> Identity:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    key = token if scheme.lower() == "bearer" and token else request.headers.get("apikey", "")
    try:
        claims = tokens.verify_api_key(key, services.settings)
    except tokens.TokenError as error:
        raise Refused(401, {"message": "Unauthorized"}) from error
    headers = {name: value for name, value in request.headers.items() if name.startswith("x-")}
    return Identity(claims, headers)


def _check_rate(limits: Limits, messages: int) -> None:
    try:
        limits.check_batch(messages)
    except TooMany as error:
        raise Refused(429, {"message": str(error)}) from error


def _check_size(limits: Limits, payload: bytes) -> None:
    if not limits.fits(payload):
        raise Refused(422, {"errors": {"payload": [TOO_LARGE]}})


def _messages(body: bytes, limits: Limits) -> list[dict[str, Any]]:
    try:
        content = json_text.loads(body)
    except ValueError as error:
        raise Refused(400, {"message": "Bad Request"}) from error
    messages = content.get("messages") if isinstance(content, dict) else None
    if not isinstance(messages, list) or not messages:
        raise Refused(422, {"errors": {"messages": ["can't be blank"]}})
    errors = [_errors(message, limits) for message in messages]
    if any(errors):
        raise Refused(422, {"errors": {"messages": errors}})
    return messages


def _errors(message: Any, limits: Limits) -> dict[str, list[str]]:
    if not isinstance(message, dict):
        return {"message": ["is invalid"]}
    kinds = {"topic": str, "event": str, "payload": dict}
    errors = {}
    for name, kind in kinds.items():
        if message.get(name) in (None, ""):
            errors[name] = ["can't be blank"]
        elif not isinstance(message[name], kind):
            errors[name] = ["is invalid"]
    if not errors and not limits.fits(json_text.dumps(message["payload"])):
        errors["payload"] = [TOO_LARGE]
    return errors


def _envelope(message: Mapping[str, Any]) -> dict[str, Any]:
    meta = {"meta": {"id": message["id"]}} if message.get("id") else {}
    return {"event": message["event"], "payload": message["payload"], "type": "broadcast", **meta}


def _payload(content_type: str, body: bytes, event: str) -> UserBroadcast:
    kind = content_type.partition(";")[0].strip().lower()
    if kind == BINARY_TYPE:
        return UserBroadcast(event, body, is_json=False)
    if kind != JSON_TYPE:
        raise Refused(415, {"error": f"Unsupported Media Type. Use {JSON_TYPE} or {BINARY_TYPE}"})
    try:
        json_text.loads(body)
    except ValueError as error:
        raise Refused(400, {"message": "Bad Request"}) from error
    return UserBroadcast(event, body)
