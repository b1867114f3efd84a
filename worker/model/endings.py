"""How a call to Gemini can end, in our words: by its HTTP status, by the model's own reason, by the connection.

What is said here of a failure holds codes and known names, never a provider's text.
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

# A limit that lasts as long is one of the day in all but name, and no other trouble is waited out for longer.
LONGEST_WISH_SECONDS = 900.0

# What a status means, of the whole answer or of an error within the stream. 400 and 429 are judged by more than that.
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
# … and any other, by its hundred. What answers with 3xx is no Gemini API: redirects are not followed, for the key
# and the prompt would go with them. All of 5xx is trouble that passes, and so is what lies beyond.
BY_HUNDRED: dict[int, type[ModelError]] = {2: Truncated, 3: AccessRefused, 4: InternalError}
# What a 400 is about, by Google's message; each word must be in it.
BAD_REQUESTS: list[tuple[tuple[str, ...], type[ModelError]]] = [
    (("token", "exceed"), PromptTooLong),
    (("payload size", "exceed"), PromptTooLong),
    (("api key",), AccessRefused),
]
# Google's names of its errors. Only these are logged: another word may hold anything. They say which status it is
# where an error within the stream has no number.
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

# The model's reasons to end. One that is in neither list is new: its text was shown and is paid for, and asking
# again would end the same way, so it is an answer.
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
    """STOP or MAX_TOKENS. `blocked`: why a filter has refused prompt or answer.

    Raises ContentBlocked, EmptyReply or Truncated where the stream ended without an error, but gave no answer.
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
    """What the HTTP library raises; what is one of ours already stays as it is."""
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
    """An answer other than 200. Gemini bills none. But where it says that time was up, a gateway may have said so
    while the model went on; and what answers with another 2xx is not known."""
    error = refusal(status, body, headers)
    return error if isinstance(error, TimedOut | Truncated) else error.unbilled()


def refusal(status: object, body: Any, headers: Mapping[str, str]) -> ModelError:
    """An answer other than 200, or an error within the stream, of whatever shape: gateways have their own.

    `status`: the HTTP status, or what stands in its place; `body`: as JSON has it, or None.
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
    """A 429 is three things: a limit of the minute, one of the day, and a model that the plan does not have."""
    violations = _violations(told)
    is_of_the_day = any("PerDay" in str(violation.get("quotaId", "")) for violation in violations)
    if is_of_the_day or _NOTHING_ALLOWED.search(message) or delay == LONGEST_WISH_SECONDS:
        return QuotaSpent(reason)
    return RateLimited(reason, delay, _calls_per_minute(violations))


def _calls_per_minute(violations: list[dict[str, Any]]) -> int | None:
    """The smallest limit of calls a minute that is named. Other limits of the minute count tokens."""
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
