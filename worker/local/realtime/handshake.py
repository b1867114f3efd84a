"""The HTTP request that opens a WebSocket: its identity, or why it is refused."""

import asyncio
import logging
import re

from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket

from worker.local.realtime import tokens
from worker.local.realtime.authorization import Identity
from worker.local.realtime.limits import Limits
from worker.local.realtime.serializer import Version
from worker.local.realtime.services import Services
from worker.local.realtime.socket import Socket

logger = logging.getLogger(__name__)


class Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.response = JSONResponse({"error": message}, status_code=status)


async def serve(websocket: WebSocket, services: Services) -> None:
    """Answer the handshake, then serve the socket until it is closed."""
    version = _version(websocket.query_params.get("vsn", Version.V1.value))
    if version is None:
        return await websocket.send_denial_response(Response(status_code=403))
    try:
        claims = _claims(websocket, services)
        _check_crowd(services.limits)
    except Refused as refusal:
        logger.info("handshake refused: %d", refusal.response.status_code)
        await asyncio.sleep(services.settings.connect_error_backoff_ms / 1000)
        return await websocket.send_denial_response(refusal.response)
    headers = {name: value for name, value in websocket.headers.items() if name.startswith("x-")}
    await websocket.accept()
    await Socket(websocket, services, version, Identity(claims, headers)).run()


def _version(text: str) -> Version | None:
    """The patch number is ignored (phoenix, lib/phoenix/socket.ex)."""
    match = re.fullmatch(r"([12])\.0\.\d+", text)
    return Version(f"{match[1]}.0.0") if match else None


def _claims(websocket: WebSocket, services: Services) -> tokens.Claims:
    key = websocket.headers.get("x-api-key") or websocket.query_params.get("apikey")
    if key is None:
        raise Refused(401, "API key is missing")
    try:
        return tokens.verify_api_key(key, services.settings)
    except tokens.TokenExpired as error:
        raise Refused(401, "Token has expired") from error
    except tokens.TokenUnreadable as error:
        raise Refused(500, "Error connecting to Realtime") from error
    except tokens.TokenError as error:
        raise Refused(401, error.message) from error


def _check_crowd(limits: Limits) -> None:
    if not limits.has_room_for(None):
        raise Refused(429, "Too many connected users")
    if limits.joins.exceeded:
        raise Refused(429, "Too many joins per second")
