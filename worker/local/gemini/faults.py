"""The faults that tests can request of the offline model.

They apply to calls of streamGenerateContent, in the order of the requests. `after`: how many pieces of the answer are
sent first; 0: only the headers; null: nothing.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, TypeAdapter

Seconds = Annotated[float, Field(ge=0)]
EndReason = Literal[
    "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "OTHER",
    "BRAND_NEW",
]  # fmt: skip


class _Fault(BaseModel):
    """Fields of all faults: to which calls it applies, and how often."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    times: PositiveInt | None = 1
    """How many calls; null: until it is removed."""
    question: str | None = None
    """Text that the last turn must contain, so that tests that run at the same time do not affect each other."""
    model: str | None = None


class Refuse(_Fault):
    """An error instead of an answer."""

    fault: Literal["refuse"]
    status: Literal[
        302, 307, 400, 401, 403, 404, 408, 409, 413, 429, 500, 502, 503, 504, 507, 508, 520, 521, 522, 523, 524, 529,
        530, 599,
    ]  # fmt: skip
    """A redirect points to the same address."""
    message: str | None = None
    retry_info: Seconds | None = None
    """Seconds in the body's RetryInfo."""
    retry_after: NonNegativeInt | None = None
    """Seconds in the header Retry-After."""
    quota: Literal["minute", "day", "zero"] | None = None
    """The limit that a 429 names; zero: the plan does not include this model."""
    html: bool = False
    """An HTML page, as from a gateway."""
    not_utf8: bool = False
    """JSON that is not UTF-8."""


class Limit(_Fault):
    """A rate limit: at most `calls` in any `seconds`, and 429 for others."""

    fault: Literal["limit"]
    calls: PositiveInt
    seconds: Annotated[float, Field(gt=0)]


class Stall(_Fault):
    """A pause, then the rest of the answer."""

    fault: Literal["stall"]
    after: NonNegativeInt | None = None
    seconds: Seconds | None = None
    """Null: until the client disconnects."""


class Reset(_Fault):
    """The connection is reset."""

    fault: Literal["reset"]
    after: NonNegativeInt | None = None


class Close(_Fault):
    """The connection is closed before the answer is complete."""

    fault: Literal["close"]
    after: NonNegativeInt | None = None


class Garbage(_Fault):
    """Bytes that are not an event, then a regular end."""

    fault: Literal["garbage"]
    after: NonNegativeInt = 0
    kind: Literal["invalid_json", "half_event", "comment", "html"] = "invalid_json"


class ErrorEvent(_Fault):
    """An error as an event of a stream with status 200, then a regular end."""

    fault: Literal["error_event"]
    after: NonNegativeInt = 0
    status: Literal[400, 429, 500, 503, 504] = 503
    retry_info: Seconds | None = None


class BlockedPrompt(_Fault):
    """Filters refuse the prompt."""

    fault: Literal["blocked_prompt"]
    reason: Literal["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT"] = "SAFETY"


class Finish(_Fault):
    """Another finish reason, after `after` pieces of the answer; null: after all of them."""

    fault: Literal["finish"]
    after: NonNegativeInt | None = None
    reason: EndReason | None
    """Null: a regular end without a finish reason."""


class NoCandidates(_Fault):
    """One event without candidates."""

    fault: Literal["no_candidates"]


class EmptyText(_Fault):
    """A regular finish with empty text."""

    fault: Literal["empty_text"]


class Slow(_Fault):
    """The whole answer, with another pause before each piece."""

    fault: Literal["slow"]
    pace_ms: NonNegativeInt


class Say(_Fault):
    """Another text as the answer."""

    fault: Literal["say"]
    text: str = Field(min_length=1)
    pace_ms: NonNegativeInt | None = None


class AfterTheEnd(_Fault):
    """The whole answer, then an irregular end of the connection."""

    fault: Literal["after_the_end"]
    manner: Literal["reset", "close", "junk", "silence"]


class Figures(_Fault):
    """The whole answer; its last event has these values of usageMetadata and modelVersion, unchecked."""

    fault: Literal["figures"]
    usage: Any = None
    model_version: Any = None


class Framing(_Fault):
    """The whole answer, with features of event streams that Google's server does not use."""

    fault: Literal["framing"]
    manner: Literal["comments", "fields", "no_blank", "bom"]


class Repeat(_Fault):
    """The last piece repeats the whole answer ("last"), or each piece all text so far ("cumulative")."""

    fault: Literal["repeat"]
    manner: Literal["last", "cumulative"]


class TwoAnswers(_Fault):
    """Two candidates in each event; the first one has index 1, and another text."""

    fault: Literal["two_answers"]


class BlockedThenStop(_Fault):
    """The finish reason SAFETY, followed by STOP."""

    fault: Literal["blocked_then_stop"]


Fault = Annotated[
    Refuse
    | Limit
    | Stall
    | Reset
    | Close
    | Garbage
    | ErrorEvent
    | BlockedPrompt
    | Finish
    | NoCandidates
    | EmptyText
    | Slow
    | Say
    | AfterTheEnd
    | Figures
    | Framing
    | Repeat
    | TwoAnswers
    | BlockedThenStop,
    Field(discriminator="fault"),
]
_READER: TypeAdapter[Fault] = TypeAdapter(Fault)


def read_fault(body: object) -> Fault:
    """Raises pydantic's ValidationError."""
    return _READER.validate_python(body)
