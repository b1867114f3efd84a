"""Error responses that tests request, as Google and gateways in front of it write them."""

from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response

from .faults import ErrorEvent, Refuse

_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_TYPES = "type.googleapis.com/google.rpc."
_METRIC = "generativelanguage.googleapis.com/generate_content_free_tier_requests"
# Name and value of the limit; "zero" is a daily limit of 0.
_QUOTAS = {"minute": ("PerMinute", 10), "day": ("PerDay", 250), "zero": ("PerDay", 0)}


def refusal(fault: Refuse, model: str) -> Response:
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    if fault.status in (302, 307):
        headers["Location"] = "?alt=sse"
    if fault.not_utf8:
        return Response(b'{"error": {"message": "\xe9\xff"}}', fault.status, headers, "application/json")
    if fault.html:
        page = f"<html><head><title>{fault.status}</title></head><body><h1>{fault.status}</h1></body></html>"
        return HTMLResponse(page, fault.status, headers)
    return JSONResponse(error_body(fault, model), fault.status, headers)


def error_body(fault: Refuse | ErrorEvent, model: str) -> dict[str, Any]:
    message = f"The offline model was asked to answer {fault.status}."
    details: list[dict[str, Any]] = []
    if isinstance(fault, Refuse):
        if fault.quota:
            message += f"\n* Quota exceeded for metric: {_METRIC}, limit: {_QUOTAS[fault.quota][1]}, model: {model}"
            details.append(_quota_failure(fault.quota, model))
        message = fault.message or message
    if fault.retry_info is not None:
        details.append({"@type": f"{_TYPES}RetryInfo", "retryDelay": f"{fault.retry_info:g}s"})
    error = {"code": fault.status, "message": message, "status": _CODES.get(fault.status, "UNKNOWN")}
    return {"error": {**error, "details": details} if details else error}


def _quota_failure(quota: str, model: str) -> dict[str, Any]:
    period, value = _QUOTAS[quota]
    violation = {
        "quotaMetric": _METRIC,
        "quotaId": f"GenerateRequests{period}PerProjectPerModel-FreeTier",
        "quotaDimensions": {"location": "global", "model": model},
    }
    # The real server leaves out zero, as the JSON of protocol buffers does.
    if value:
        violation["quotaValue"] = str(value)
    return {"@type": f"{_TYPES}QuotaFailure", "violations": [violation]}
