"""What can go wrong, as one tree.

PostBroError
├── ConfigError               settings that cannot be used
├── DatabaseError
│   ├── DatabaseAway          the API did not answer: try again
│   └── DatabaseRefused       the API said no: trying again changes nothing
├── NoModel                   no model may be asked just now: no call was made
└── ModelError                a call to the model gave no answer; carries an error_code
    ├── ModelOverloaded       the next model is asked
    ├── TimedOut              the next model is asked
    ├── Truncated             the next model is asked
    │   └── Disconnected
    ├── EmptyReply            the next model is asked
    ├── RateLimited           the model is closed; the next is asked
    ├── QuotaSpent            the model is closed; the next is asked
    ├── ModelGone             the model is closed; the next is asked
    ├── AccessRefused         all models are closed
    ├── ContentBlocked        final
    ├── PromptTooLong         final
    └── InternalError         final
"""

from typing import Self

from worker.rows import ErrorCode


class PostBroError(Exception):
    """The root."""


class ConfigError(PostBroError):
    """Settings that cannot be used; the message lists every problem."""


class DatabaseError(PostBroError):
    """A function of the database gave no result. `code` is the SQLSTATE or PostgREST's code, if the answer had one;
    no text of the database."""

    def __init__(self, reason: str, code: str = "") -> None:
        super().__init__(reason)
        self.code = code


class DatabaseAway(DatabaseError):
    """The API cannot be reached, or it cannot reach the database. `retry_after`: seconds, if it asks
    for a pause."""

    def __init__(self, reason: str, retry_after: float | None = None, code: str = "") -> None:
        super().__init__(reason, code)
        self.retry_after = retry_after


class DatabaseRefused(DatabaseError):
    """The call was understood and refused."""

    @property
    def is_of_the_content(self) -> bool:
        """The values themselves were refused: too large, of a wrong form, against a constraint."""
        return self.code[:2] in ("22", "23") or self.code == "413"


class NoModel(PostBroError):
    """No model may be asked for this claim just now; in `seconds`, one may. No call was made: nothing is counted."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no model for {seconds:.1f} s")
        self.seconds = seconds


class ModelError(PostBroError):
    """`error_code` is what the user sees; `retry_after` is the pause in seconds that the provider asks
    for, if any.

    Unless an attribute below says otherwise, the question is asked again, of the next model if one may be asked.
    """

    error_code: ErrorCode = ErrorCode.INTERNAL
    is_of_the_question = False
    """The reason is the question's own, or ours: asking again changes nothing, so it is final."""
    closes_the_model = False
    """The provider refused the call for a reason that holds for others too: the model is not asked for a while."""
    is_trouble_of_the_model = False
    """If it comes before any text, it is a sign that the model is in trouble, and a vote in its breaker."""
    is_counted = True
    """It is one of the question's calls. A refusal that closes the model is not: the provider did no work, and
    the reason is not the question's, which waits until the limit, the key or the name is right again, or it is too
    old."""

    is_unbilled = False
    """Nothing was generated, so nothing is billed: the call did not get through, or was refused as a whole."""
    is_of_the_provider = True
    """The provider or the network has ended the call; False: this worker did, after its longest wait."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after

    def unbilled(self) -> Self:
        self.is_unbilled = True
        return self

    def by_us(self) -> Self:
        self.is_of_the_provider = False
        return self


class ModelOverloaded(ModelError):
    """The provider is overloaded or broken for the moment."""

    error_code = ErrorCode.MODEL_OVERLOADED
    is_trouble_of_the_model = True


class RateLimited(ModelError):
    """The limit of the minute is reached. `limit`: calls a minute that are allowed, if the provider says."""

    error_code = ErrorCode.RATE_LIMITED
    closes_the_model = True
    is_counted = False
    is_unbilled = True

    def __init__(self, reason: str, retry_after: float | None = None, limit: int | None = None) -> None:
        super().__init__(reason, retry_after)
        self.limit = limit


class QuotaSpent(ModelError):
    """The project's quota of this model is used up for the day, or it has none."""

    error_code = ErrorCode.RATE_LIMITED
    closes_the_model = True
    is_counted = False
    is_unbilled = True


class TimedOut(ModelError):
    """Nothing came for too long, or the reply's time is over. If a thought or a count of tokens had come, it
    may need long thinking: then it is no sign that the model is in trouble."""

    error_code = ErrorCode.TIMED_OUT
    is_trouble_of_the_model = True


class Truncated(ModelError):
    """The stream ended without saying that it was finished, or a piece of the answer could not be read."""

    error_code = ErrorCode.TRUNCATED


class Disconnected(Truncated):
    """The connection broke."""

    is_trouble_of_the_model = True


class EmptyReply(ModelError):
    """It finished without text, or with characters alone that cannot be seen."""

    error_code = ErrorCode.EMPTY_REPLY


class ModelGone(ModelError):
    """No such model, or no longer."""

    error_code = ErrorCode.MODEL_UNAVAILABLE
    closes_the_model = True
    is_counted = False
    is_unbilled = True


class AccessRefused(ModelError):
    """The key or its account is refused, or the address is not that of the Gemini API: no model can be asked."""

    error_code = ErrorCode.MODEL_UNAVAILABLE
    closes_the_model = True
    is_counted = False
    is_unbilled = True


class ContentBlocked(ModelError):
    """The provider's filters refused the question or the answer."""

    error_code = ErrorCode.CONTENT_BLOCKED
    is_of_the_question = True


class PromptTooLong(ModelError):
    """More than the model takes."""

    error_code = ErrorCode.PROMPT_TOO_LONG
    is_of_the_question = True
    is_unbilled = True


class InternalError(ModelError):
    """A defect of ours, or a request that the provider calls malformed."""

    is_of_the_question = True
