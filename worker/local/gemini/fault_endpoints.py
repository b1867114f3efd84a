"""The endpoints at /faults, where tests request faults. They exist only with the option --faults."""

import json

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .fault_queue import FaultQueue
from .faults import read_fault


def fault_routes(queue: FaultQueue) -> list[Route]:
    async def add(request: Request) -> Response:
        try:
            fault = read_fault(json.loads(await request.body()))
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False, include_input=False)
            return JSONResponse({"problems": problems}, 400)
        except ValueError:
            return JSONResponse({"problems": ["The body is not JSON."]}, 400)
        return JSONResponse(queue.add(fault).as_json(), 201)

    async def show(_: Request) -> Response:
        return JSONResponse([plan.as_json() for plan in queue.list()])

    async def clear(_: Request) -> Response:
        queue.clear()
        return Response(status_code=204)

    async def remove(request: Request) -> Response:
        return Response(status_code=204 if queue.remove(request.path_params["number"]) else 404)

    return [
        Route("/faults", add, methods=["POST"]),
        Route("/faults", show, methods=["GET"]),
        Route("/faults", clear, methods=["DELETE"]),
        Route("/faults/{number:int}", remove, methods=["DELETE"]),
    ]
