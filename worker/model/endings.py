"""Translates the ends of calls to Gemini into our errors: HTTP statuses, finish reasons, connection errors.

Messages of errors hold codes and known names, never the provider's text.
"""

import contextlib
import math
import re
from collections.abc import Mapping
from typing import Any

import httpx2

from worker.errors import (
    AccessRefused,
    ContentBlocked,
    Disconnected,
    EmptyReply,
    InternalError,
    ModelError,
    ModelGone,
    ModelOverloaded,
    PromptTooLong,
    QuotaSpent,
    RateLimited,
    TimedOut,
    Truncated,
)
from worker.rows import FinishReason

# Longest pause that a provider can request. A rate limit that lasts so long is treated like a daily quota.
LONGEST_WISH_SECONDS = 900.0

# Errors by status, of the response or of an error event in the stream. 400 and 429 depend on the body as well.
BY_STATUS: dict[int, type[ModelError]] = {
    401: AccessRefused,
    402: AccessRefused,
    403: AccessRefused,
    404: ModelGone,
    407: AccessRefused,
    408: TimedOut,
    409: ModelOverloaded,
    410: ModelGone,
    413: PromptTooLong,
    425: ModelOverloaded,
    451: AccessRefused,
    499: ModelOverloaded,
    504: TimedOut,
    524: TimedOut,
}
# Other statuses, by their hundreds; by default ModelOverloaded, which is temporary. 3xx: redirects are not followed,
# since the key and the prompt would be sent to another host, so an address that redirects is not usable.
BY_HUNDRED: dict[int, type[ModelError]] = {2: Truncated, 3: AccessRefused, 4: InternalError}
# Errors for a 400, by words that Google's message must all contain.
BAD_REQUESTS: list[tuple[tuple[str, ...], type[ModelError]]] = [
    (("token", "exceed"), PromptTooLong),
    (("payload size", "exceed"), PromptTooLong),
    (("api key",), AccessRefused),
]
# Google's names of errors and their statuses, for error events without a number. Other names are not logged, since
# they may contain anything.
STATUS_OF_WORD = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}

# The model's finish reasons. One that is in neither list is accepted as the end of an answer: its text was shown and
# is paid for, and another call would probably end in the same way.
BLOCKED = {
    "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "ESCALATION",
    "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION",
}  # fmt: skip
BROKEN_OFF = {
    "OTHER", "MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE", "IMAGE_OTHER", "NO_IMAGE", "PUP_LIMITED_DISABLED", "CONTINUATION",
}  # fmt: skip

_NOTHING_ALLOWED = re.compile(r"limit: 0(?![\d.])")


def judge_end(reason: str | None, blocked: str | None, has_text: bool) -> FinishReason:
    """STOP or MAX_TOKENS, after a stream that ended without an error. `reason`: the model's finish reason; `blocked`:
    why a filter has refused prompt or answer.

    Raises ContentBlocked, EmptyReply or Truncated if it gave no answer.
    """
    if blocked or reason in BLOCKED:
        raise ContentBlocked(blocked or str(reason))
    if reason is None:
        raise Truncated("no finish reason")
    if not has_text:
        raise EmptyReply(reason)
    if reason in BROKEN_OFF:
        raise Truncated(reason)
    return FinishReason.MAX_TOKENS if reason == "MAX_TOKENS" else FinishReason.STOP


def translate(error: Exception) -> ModelError:
    """Translates an exception of the HTTP library; a ModelError is returned unchanged."""
    name = type(error).__name__
    match error:
        case ModelError():
            return error
        case httpx2.ConnectTimeout() | httpx2.PoolTimeout():
            return TimedOut(name).unbilled()
        case httpx2.TimeoutException() | TimeoutError():
            return TimedOut(name).by_us()
        case httpx2.ConnectError() | httpx2.ProxyError():
            return ModelOverloaded(name).unbilled()
        case httpx2.HTTPError():
            return Disconnected(name)
        case _:
            return InternalError(name)


def refusal_of_all(status: int, body: Any, headers: Mapping[str, str]) -> ModelError:
    """The error for a response other than 200, which is not billed. Exceptions: a time-out may come from a gateway
    while the model goes on, and another 2xx is unexpected."""
    error = refusal(status, body, headers)
    return error if isinstance(error, TimedOut | Truncated) else error.unbilled()


def refusal(status: object, body: Any, headers: Mapping[str, str]) -> ModelError:
    """The error for a response other than 200, or for an error event in the stream.

    `status`: the HTTP status, or the event's code, unchecked; `body`: decoded JSON of any shape, or None.
    """
    told = _error(body)
    word = told.get("status")
    word = word if isinstance(word, str) and word in STATUS_OF_WORD else None
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 999:
        status = STATUS_OF_WORD.get(word or "", 500)
    reason = f"{status} {word}" if word else str(status)
    message, delay = str(told.get("message", "")), _retry_delay(told, headers)
    if status == 429:
        return _limit(told, reason, message, delay)
    if status == 400:
        return _bad_request(word, message)(reason)
    return _kind(status)(reason, delay)


def _kind(status: int) -> type[ModelError]:
    return BY_STATUS.get(status) or BY_HUNDRED.get(status // 100, ModelOverloaded)


def _bad_request(word: str | None, message: str) -> type[ModelError]:
    if word == "FAILED_PRECONDITION":  # the project has no billing, or its country is not served
        return AccessRefused
    message = message.lower()
    return next((kind for words, kind in BAD_REQUESTS if all(each in message for each in words)), InternalError)


def _limit(told: dict[str, Any], reason: str, message: str, delay: float | None) -> ModelError:
    """A 429 means a rate limit, a used-up daily quota, or a model that the plan does not include."""
    violations = _violations(told)
    is_of_the_day = any("PerDay" in str(violation.get("quotaId", "")) for violation in violations)
    if is_of_the_day or _NOTHING_ALLOWED.search(message) or delay == LONGEST_WISH_SECONDS:
        return QuotaSpent(reason)
    return RateLimited(reason, delay, _calls_per_minute(violations))


def _calls_per_minute(violations: list[dict[str, Any]]) -> int | None:
    """The smallest reported limit of calls for each minute; limits of tokens are ignored."""
    values = []
    for violation in violations:
        name = str(violation.get("quotaId", ""))
        if "PerMinute" in name and "Requests" in name:
            with contextlib.suppress(ValueError):
                values.append(int(str(violation.get("quotaValue", ""))))
    return min((value for value in values if value > 0), default=None)


def _violations(told: dict[str, Any]) -> list[dict[str, Any]]:
    lists = [detail.get("violations") for detail in _details(told, "QuotaFailure")]
    return [each for found in lists if isinstance(found, list) for each in found if isinstance(each, dict)]


def _retry_delay(told: dict[str, Any], headers: Mapping[str, str]) -> float | None:
    """Seconds, from the RetryInfo in the body or from Retry-After."""
    wishes = [str(detail.get("retryDelay", "")).removesuffix("s") for detail in _details(told, "RetryInfo")]
    for wish in [*wishes, headers.get("retry-after", "")]:
        with contextlib.suppress(ValueError):
            seconds = float(wish)
            if math.isfinite(seconds) and seconds >= 0:
                return min(seconds, LONGEST_WISH_SECONDS)
    return None


def _details(told: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Google's details of one kind."""
    details = told.get("details")
    details = details if isinstance(details, list) else []
    return [each for each in details if isinstance(each, dict) and str(each.get("@type", "")).endswith(kind)]


def _error(body: Any) -> dict[str, Any]:
    """Google's {"error": {…}}, also in a list of its own."""
    if isinstance(body, list) and body:
        body = body[0]
    told = body.get("error", body) if isinstance(body, dict) else None
    return told if isinstance(told, dict) else {}
