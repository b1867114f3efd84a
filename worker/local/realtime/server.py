"""The routes of the server, and its background tasks."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from worker.local.realtime import broadcasts, handshake, rest
from worker.local.realtime.authorization import Authorization
from worker.local.realtime.capture import Capture
from worker.local.realtime.changes import Changes
from worker.local.realtime.cold_start import ColdStart
from worker.local.realtime.database import Database
from worker.local.realtime.fault_endpoints import fault_routes
from worker.local.realtime.faults import Faults
from worker.local.realtime.limits import Limits
from worker.local.realtime.partitions import Partitions
from worker.local.realtime.pgoutput import Change
from worker.local.realtime.presence import Presence
from worker.local.realtime.rooms import Rooms
from worker.local.realtime.services import Services
from worker.local.realtime.settings import Settings

logger = logging.getLogger(__name__)

PREFIX = "/realtime/v1"


def create_app(settings: Settings) -> Starlette:
    database = Database(settings.database_url)
    limits = Limits(settings)
    services = Services(
        settings=settings,
        database=database,
        limits=limits,
        authorization=Authorization(database),
        rooms=Rooms(),
        presence=Presence(),
        changes=Changes(database, settings, limits),
        capture=Capture(settings.database_url),
        cold_start=ColdStart(settings),
        partitions=Partitions(database, settings.partitions),
        faults=Faults(),
    )

    async def websocket(websocket: WebSocket) -> None:
        await handshake.serve(websocket, services)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with _running(services):
            yield

    app = Starlette(
        routes=[
            WebSocketRoute(f"{PREFIX}/websocket", websocket),
            Route(f"{PREFIX}/api/broadcast", rest.broadcast_batch, methods=["POST"]),
            Route(
                PREFIX + "/api/broadcast/{topic:path}/events/{event:path}",
                rest.broadcast_one,
                methods=["POST"],
            ),
            Route(f"{PREFIX}/health", _health),
            *(fault_routes(services.faults) if settings.faults else ()),
        ],
        middleware=[Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])],
        exception_handlers={405: _not_found},
        lifespan=lifespan,
    )
    app.state.services = services
    return app


async def _not_found(_request: Request, _error: Exception) -> Response:
    """404, not 405, for a known path with another method, like the real server."""
    return Response(status_code=404)


async def _health(request: Request) -> Response:
    services: Services = request.app.state.services
    healthy = services.capture.is_live and services.partitions.are_settled and await services.database.answers()
    return JSONResponse({"healthy": healthy}, status_code=200 if healthy else 503)


@asynccontextmanager
async def _running(services: Services) -> AsyncIterator[None]:
    def route(change: Change) -> None:
        if not broadcasts.is_broadcast(change):
            services.changes.offer(change)
        elif services.cold_start.delivers(change) and not services.faults.lose((change.new or {}).get("topic") or ""):
            broadcasts.send(services.rooms, services.limits, change)

    async def stream_is_live() -> None:
        await services.database.replace_lost_connections()
        services.changes.start_over()

    await services.database.open()
    tasks = [
        asyncio.create_task(services.capture.run(route, stream_is_live), name="capture"),
        asyncio.create_task(services.changes.run(), name="changes"),
        asyncio.create_task(_watch_publication(services), name="publication"),
        asyncio.create_task(services.partitions.run(), name="partitions"),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await services.database.close()


async def _watch_publication(services: Services) -> None:
    while True:
        await services.changes.watch_publication()
        await asyncio.sleep(services.settings.publication_check_ms / 1000)
