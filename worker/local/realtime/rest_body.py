"""Reads the body of a REST request, with the checks that the real server makes before it authenticates."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from worker.local.realtime import json_text

JSON_TYPE = "application/json"
BINARY_TYPE = "application/octet-stream"
LARGEST_BODY = 8_000_000  # bytes; the limit of Plug.Parsers


class Refused(Exception):
    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status)
        self.response = JSONResponse(body, status_code=status)


async def read(request: Request, *, types: bool) -> Any:
    """Bytes for BINARY_TYPE, the JSON value for JSON_TYPE, else an empty object.

    `types`: whether other content types are refused. Raises Refused, in the order of 2.129.8:
    lib/realtime_web/endpoint.ex, router.ex, plugs/validate_broadcast_content_type.ex.
    """
    said = request.headers.get("content-type", "")
    kind = said.partition(";")[0].strip().lower()
    if types and said and kind not in (JSON_TYPE, BINARY_TYPE):
        raise Refused(415, {"error": f"Unsupported Media Type. Use {JSON_TYPE} or {BINARY_TYPE}"})
    body = await request.body()
    if len(body) > LARGEST_BODY:
        raise Refused(413, "Request Entity Too Large")
    content = _content(kind, body)
    accepted = request.headers.get("accept", "*/*")
    if not any(range_ in accepted for range_ in ("*/*", "application/*", "json")):
        raise Refused(406, "Not Acceptable")
    return content


def _content(kind: str, body: bytes) -> Any:
    if kind == BINARY_TYPE:
        return body
    if kind != JSON_TYPE or not body:
        return {}
    try:
        content = json_text.loads(body)
    except ValueError as error:
        raise Refused(400, "Bad Request") from error
    return content if isinstance(content, Mapping) else {"_json": content}
