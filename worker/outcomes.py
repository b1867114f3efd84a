"""How a call to Gemini can end, in our words: the library's errors, and the model's own reasons.

What is said here of a failure holds codes and names, never a provider's text.
"""

import contextlib
import json
import math
import re
from typing import Any

import httpx2
from google.genai import errors

from worker.errors import (
    ContentBlocked,
    Disconnected,
    EmptyReply,
    InternalError,
    ModelError,
    ModelGone,
    ModelOverloaded,
    ModelUnavailable,
    PromptTooLong,
    QuotaSpent,
    RateLimited,
    TimedOut,
    Truncated,
)

# A limit that lasts as long is one of the day in all but name, and no other trouble is waited out for longer.
LONGEST_WISH_SECONDS = 900.0

_FINISHED = {"STOP": "stop", "MAX_TOKENS": "max_tokens"}
_BLOCKED = {
    "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "ESCALATION",
    "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION",
}  # fmt: skip
# All others (OTHER, MALFORMED_RESPONSE, what Google will think of next) broke off: another attempt may do better.

_NOTHING_ALLOWED = re.compile(r"limit: 0(?![\d.])")


def judge_end(reason: str | None, blocked: str | None, has_text: bool) -> str:
    """stop or max_tokens, or the error that a clean end was. `blocked` is the prompt's block reason."""
    if blocked or reason in _BLOCKED:
        raise ContentBlocked(blocked or str(reason))
    if reason is None:
        raise Truncated("no finish reason")
    if not has_text:
        raise EmptyReply(reason)
    if reason not in _FINISHED:
        raise Truncated(reason)
    return _FINISHED[reason]


def translate(error: Exception) -> ModelError:
    """An error of the library, or of what it stands on."""
    if isinstance(error, errors.APIError):
        return _translate_status(error)
    if isinstance(error, httpx2.TimeoutException | TimeoutError):
        return TimedOut(type(error).__name__)
    if isinstance(error, httpx2.ConnectError):
        return ModelOverloaded(type(error).__name__)
    if isinstance(error, httpx2.HTTPError):
        return Disconnected(type(error).__name__)
    if isinstance(error, errors.UnknownApiResponseError | json.JSONDecodeError):
        return Truncated(type(error).__name__)
    return InternalError(type(error).__name__)


def _translate_status(error: errors.APIError) -> ModelError:
    reason = f"{error.code} {error.status}"
    message = error.message or ""
    match error.code:
        case 429:
            return _translate_limit(error, reason, message)
        case 408 | 504:
            return TimedOut(reason, _retry_delay(error))
        case 500 | 502 | 503:
            return ModelOverloaded(reason, _retry_delay(error))
        case 404:
            return ModelGone(reason)
        case 401 | 403:
            return ModelUnavailable(reason)
        case 400 if "token" in message and "exceed" in message:
            return PromptTooLong(reason)
        case 400 if "API key" in message:
            return ModelUnavailable(reason)
        case 413:
            return PromptTooLong(reason)
        case _:
            return InternalError(reason)


def _translate_limit(error: errors.APIError, reason: str, message: str) -> ModelError:
    """A 429 is three things: a limit of the minute, one of the day, and a model that the plan does not have."""
    delay = _retry_delay(error)
    is_of_the_day = any("PerDay" in str(violation.get("quotaId", "")) for violation in _violations(error))
    if is_of_the_day or _NOTHING_ALLOWED.search(message) or delay == LONGEST_WISH_SECONDS:
        return QuotaSpent(reason)
    return RateLimited(reason, delay, _calls_per_minute(error))


def _calls_per_minute(error: errors.APIError) -> int | None:
    """The smallest limit of calls a minute that is named. Other limits of the minute count tokens."""
    values = []
    for violation in _violations(error):
        name = str(violation.get("quotaId", ""))
        if "PerMinute" in name and "Requests" in name:
            with contextlib.suppress(ValueError):
                values.append(int(str(violation.get("quotaValue", ""))))
    return min((value for value in values if value > 0), default=None)


def _violations(error: errors.APIError) -> list[dict[str, Any]]:
    lists = [detail.get("violations") for detail in _details(error, "QuotaFailure")]
    return [each for found in lists if isinstance(found, list) for each in found if isinstance(each, dict)]


def _retry_delay(error: errors.APIError) -> float | None:
    """Seconds, from the RetryInfo in the body (which the library ignores) or from Retry-After."""
    wishes = [str(detail.get("retryDelay", "")).removesuffix("s") for detail in _details(error, "RetryInfo")]
    wishes.append(getattr(error.response, "headers", {}).get("retry-after", ""))
    for wish in wishes:
        with contextlib.suppress(ValueError):
            seconds = float(wish)
            if math.isfinite(seconds) and seconds >= 0:
                return min(seconds, LONGEST_WISH_SECONDS)
    return None


def _details(error: errors.APIError, kind: str) -> list[dict[str, Any]]:
    """Google's details of one kind; a gateway in between may answer in a shape of its own."""
    body: Any = error.details
    for key in ("error", "details"):
        body = body.get(key) if isinstance(body, dict) else None
    details = body if isinstance(body, list) else []
    return [each for each in details if isinstance(each, dict) and str(each.get("@type", "")).endswith(kind)]
