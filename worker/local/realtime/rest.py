"""The HTTP endpoints for broadcasts: a batch, or one broadcast whose payload is the body."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from worker.local.realtime import json_text, rest_body, tokens
from worker.local.realtime.authorization import Identity, MissingPartition, PolicyFailed, PolicyTimeout, Unanswered
from worker.local.realtime.database import DatabaseAway
from worker.local.realtime.limits import Limits, TooMany
from worker.local.realtime.rest_body import Refused
from worker.local.realtime.serializer import UserBroadcast
from worker.local.realtime.services import Services

# 2.129.8, lib/realtime/tenants/single_broadcast.ex
UNANSWERED: Mapping[type[Exception], str] = {
    PolicyFailed: "RLS policy error",
    PolicyTimeout: "Query canceled",
    MissingPartition: "Missing messages partition",
    DatabaseAway: "Tenant database unavailable",
}
BLANK, INVALID = "can't be blank", "is invalid"
BOOLEANS = {True: True, "true": True, "1": True, False: False, "false": False, "0": False, None: False}
TOO_LARGE = "Payload size exceeds tenant limit"


async def broadcast_batch(request: Request) -> Response:
    return await _read_and_limited(request, _broadcast_batch, types=False)


async def broadcast_one(request: Request) -> Response:
    """A slash ends the topic; a slash within the topic is written as `%2F`."""
    if request.scope["raw_path"].partition(b"/broadcast/")[2].count(b"/") != 2:
        return Response(status_code=404)
    return await _read_and_limited(request, _broadcast_one, types=True)


Answer = Callable[[Request, Any], Awaitable[Response]]


async def _read_and_limited(request: Request, answer: Answer, *, types: bool) -> Response:
    """Read the body, apply the rate limit for requests (messages have their own), then call `answer`."""
    try:
        content = await rest_body.read(request, types=types)
    except Refused as refusal:
        return refusal.response
    rate = request.app.state.services.limits.requests
    if rate.average > rate.limit:
        response: Response = JSONResponse({"message": "Too many requests"}, status_code=429)
    else:
        rate.add()
        response = await answer(request, content)
    rolling = round(rate.average)
    response.headers["x-rate-rolling"] = str(rolling)
    response.headers["x-rate-limit"] = str(rate.limit)
    response.headers["x-rate-limit-remaining"] = str(max(0, rate.limit - rolling))
    return response


async def _broadcast_batch(request: Request, content: Any) -> Response:
    """`{"messages": [{topic, event, payload, private?}]}`. What may not be written is left out, still with 202."""
    services: Services = request.app.state.services
    try:
        identity = _identity(request, services)
        messages = _messages(content, services.limits)
        _check_rate(services.limits, len(messages))
    except Refused as refusal:
        return refusal.response
    may_write: dict[str, bool] = {}
    for message in messages:
        topic, private = message["topic"], BOOLEANS[message.get("private")]
        if private and topic not in may_write:
            try:
                may_write[topic] = await services.authorization.may_write(identity, topic)
            except (DatabaseAway, Unanswered):
                may_write[topic] = False
        if not private or may_write[topic]:
            services.limits.events.add()
            services.rooms.broadcast(topic, private, _envelope(message))
    return Response(status_code=202)


async def _broadcast_one(request: Request, content: Any) -> Response:
    """The body is the payload: JSON, or bytes."""
    services: Services = request.app.state.services
    topic, event = request.path_params["topic"], request.path_params["event"]
    private = request.query_params.get("private") == "true"
    try:
        identity = _identity(request, services)
        payload = _payload(content, event)
        _check_size(services.limits, payload.payload)
        services.limits.check_one()
    except TooMany as error:
        return JSONResponse({"message": str(error)}, status_code=429)
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
    return Identity(claims, dict(request.headers))


def _check_rate(limits: Limits, messages: int) -> None:
    try:
        limits.check_batch(messages)
    except TooMany as error:
        raise Refused(429, {"message": str(error)}) from error


def _check_size(limits: Limits, payload: bytes) -> None:
    if not limits.fits(payload):
        raise Refused(422, {"errors": {"payload": [TOO_LARGE]}})


def _messages(content: Any, limits: Limits) -> list[dict[str, Any]]:
    messages = content.get("messages") if isinstance(content, Mapping) else None
    if messages in (None, []):
        raise Refused(422, {"errors": {"messages": [BLANK]}})
    if not isinstance(messages, list):
        raise Refused(422, {"errors": {"messages": [INVALID]}})
    errors = [_errors(message, limits) for message in messages]
    if any(errors):
        raise Refused(422, {"errors": {"messages": errors}})
    return messages


def _errors(message: Any, limits: Limits) -> dict[str, list[str]]:
    """Errors by field, as from Ecto: blank is null or only spaces (lib/realtime/tenants/batch_broadcast.ex)."""
    if not isinstance(message, dict):
        return {"message": [INVALID]}
    kinds = {"topic": str, "event": str, "payload": dict}
    errors = {}
    for name, kind in kinds.items():
        value = message.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            errors[name] = [BLANK]
        elif not isinstance(value, kind):
            errors[name] = [INVALID]
    private = message.get("private")
    if not isinstance(private, str | bool | None) or private not in BOOLEANS:
        errors["private"] = [INVALID]
    if not errors and not limits.fits(json_text.dumps(message["payload"])):
        errors["payload"] = [TOO_LARGE]
    return errors


def _envelope(message: Mapping[str, Any]) -> dict[str, Any]:
    meta = {"meta": {"id": message["id"]}} if message.get("id") else {}
    return {"event": message["event"], "payload": message["payload"], "type": "broadcast", **meta}


def _payload(content: Any, event: str) -> UserBroadcast:
    if isinstance(content, bytes):
        return UserBroadcast(event, content, is_json=False)
    return UserBroadcast(event, json_text.dumps(content).encode())
