"""The faults that the offline model can be asked for.

Each applies to calls of streamGenerateContent, in the order in which they were asked for. `after` counts
the pieces of the answer that go out first; null is before the headers, 0 after the headers.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, TypeAdapter

Seconds = Annotated[float, Field(ge=0)]
EndReason = Literal[
    "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "OTHER",
    "BRAND_NEW",
]  # fmt: skip


class _Fault(BaseModel):
    """What all have: which calls it meets, and how many of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    times: PositiveInt | None = 1
    """Null: until it is taken back."""
    question: str | None = None
    """What the last turn must contain. A marker in it keeps tests apart that run side by side."""
    model: str | None = None


class Refuse(_Fault):
    """An error instead of an answer."""

    fault: Literal["refuse"]
    status: Literal[
        302, 307, 400, 401, 403, 404, 408, 409, 413, 429, 500, 502, 503, 504, 507, 508, 520, 521, 522, 523, 524, 529,
        530, 599,
    ]  # fmt: skip
    """A redirect leads back to where it comes from."""
    message: str | None = None
    retry_info: Seconds | None = None
    """The wish in the body."""
    retry_after: NonNegativeInt | None = None
    """The wish in the header."""
    quota: Literal["minute", "day", "zero"] | None = None
    """Which limit a 429 names; zero: this model is not in the plan at all."""
    html: bool = False
    """A page as a gateway in between writes it."""
    not_utf8: bool = False
    """JSON, but of another encoding."""


class Limit(_Fault):
    """A limit of the provider's: so many calls in any so many seconds, and 429 for what is over it."""

    fault: Literal["limit"]
    calls: PositiveInt
    seconds: Annotated[float, Field(gt=0)]


class Stall(_Fault):
    """Silence, and then the rest of the answer."""

    fault: Literal["stall"]
    after: NonNegativeInt | None = None
    seconds: Seconds | None = None
    """Null: until the client leaves."""


class Reset(_Fault):
    """The connection is reset."""

    fault: Literal["reset"]
    after: NonNegativeInt | None = None


class Close(_Fault):
    """The connection is closed, with the answer unfinished."""

    fault: Literal["close"]
    after: NonNegativeInt | None = None


class Garbage(_Fault):
    """Bytes that are no event, and a clean end."""

    fault: Literal["garbage"]
    after: NonNegativeInt = 0
    kind: Literal["invalid_json", "half_event", "comment", "html"] = "invalid_json"


class ErrorEvent(_Fault):
    """An error inside a 200, and a clean end."""

    fault: Literal["error_event"]
    after: NonNegativeInt = 0
    status: Literal[400, 429, 500, 503, 504] = 503
    retry_info: Seconds | None = None


class BlockedPrompt(_Fault):
    """The filters refuse the question."""

    fault: Literal["blocked_prompt"]
    reason: Literal["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT"] = "SAFETY"


class Finish(_Fault):
    """Another end than the answer's own. `after`: null is all of its text, 0 none."""

    fault: Literal["finish"]
    after: NonNegativeInt | None = None
    reason: EndReason | None
    """Null: a clean end that gives no reason."""


class NoCandidates(_Fault):
    """One event without an answer in it."""

    fault: Literal["no_candidates"]


class EmptyText(_Fault):
    """It finishes, and its text is empty."""

    fault: Literal["empty_text"]


class Slow(_Fault):
    """The whole answer, at another pace."""

    fault: Literal["slow"]
    pace_ms: NonNegativeInt


class Say(_Fault):
    """Another answer than its own."""

    fault: Literal["say"]
    text: str = Field(min_length=1)
    pace_ms: NonNegativeInt | None = None


class AfterTheEnd(_Fault):
    """The whole answer, and then a connection that does not end as it should."""

    fault: Literal["after_the_end"]
    manner: Literal["reset", "close", "junk", "silence"]


class Figures(_Fault):
    """The whole answer, with these figures and this version, as they are, beside its last piece."""

    fault: Literal["figures"]
    usage: Any = None
    model_version: Any = None


class Framing(_Fault):
    """The whole answer, in a manner of event streams that Google's own server does not have."""

    fault: Literal["framing"]
    manner: Literal["comments", "fields", "no_blank", "bom"]


class Repeat(_Fault):
    """The last piece is the whole answer, or each is all of it so far."""

    fault: Literal["repeat"]
    manner: Literal["last", "cumulative"]


class TwoAnswers(_Fault):
    """Another answer beside its own, the other one first."""

    fault: Literal["two_answers"]


class BlockedThenStop(_Fault):
    """A filter refuses the answer, and it finishes all the same."""

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
