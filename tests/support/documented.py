"""Every answer that a test gets is held against the OpenAPI document: its status, its type, its body."""

import re
from typing import Any

import httpx
import jsonschema_rs

from worker.web.api import OPENAPI

COMPONENTS = {"components": OPENAPI["components"]}


def assert_documented(response: httpx.Response) -> None:
    """For the event hooks of a client. An operation that there is not gives a problem, like any other error."""
    status, media_type = str(response.status_code), response.headers["content-type"].split(";")[0]
    documented = _operation(response.request)
    assert documented is None or status in documented["responses"], f"{status} is not documented"
    if documented is None or response.is_error:
        schema = _resolved(OPENAPI["components"]["responses"]["Problem"])["content"][media_type]["schema"]
    else:
        schema = _resolved(documented["responses"][status])["content"][media_type].get("schema", {})
    if media_type.endswith("json"):
        response.read()
        jsonschema_rs.validate({**schema, **COMPONENTS}, response.json())


def _operation(request: httpx.Request) -> Any:
    for path, operations in OPENAPI["paths"].items():
        pattern = re.sub(r"\{\w+\}", "[0-9a-f-]+", path.rstrip("/")) + "/?"
        if re.fullmatch(pattern, request.url.path):
            return operations.get(request.method.lower())
    return None


def _resolved(found: Any) -> Any:
    """What is behind a reference within the document."""
    if "$ref" not in found:
        return found
    target: Any = OPENAPI
    for name in found["$ref"].removeprefix("#/").split("/"):
        target = target[name]
    return target
