"""The tree of our exceptions.

PostBroError
├── ConfigError               settings that cannot be used
├── DatabaseError
│   ├── DatabaseAway          the API did not answer: try again
│   └── DatabaseRefused       the API refused the call: trying again changes nothing
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
    """The base class."""


class ConfigError(PostBroError):
    """Settings that cannot be used; the message lists every problem."""


class DatabaseError(PostBroError):
    """A function of the database gave no result. `code`: the SQLSTATE or PostgREST's code; empty without one. The
    message contains no text of the database."""

    def __init__(self, reason: str, code: str = "") -> None:
        super().__init__(reason)
        self.code = code


class DatabaseAway(DatabaseError):
    """The API cannot be reached, or it cannot reach the database. `retry_after`: seconds, if it requests a pause."""

    def __init__(self, reason: str, retry_after: float | None = None, code: str = "") -> None:
        super().__init__(reason, code)
        self.retry_after = retry_after


class DatabaseRefused(DatabaseError):
    """The call was understood and refused."""

    @property
    def is_of_the_content(self) -> bool:
        """The values were refused: too large, of a wrong type, or against a constraint."""
        return self.code[:2] in ("22", "23") or self.code == "413"


class NoModel(PostBroError):
    """No model may be asked for this claim now; in `seconds`, one may. No call was made, and none is counted."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no model for {seconds:.1f} s")
        self.seconds = seconds


class ModelError(PostBroError):
    """A call to a model gave no answer. `error_code`: shown to the user; `retry_after`: the pause in seconds that the
    provider requests, or None. The message holds codes and known names, never text of the provider.

    By default, the next model is asked, or the same one later. The attributes below change that.
    """

    error_code: ErrorCode = ErrorCode.INTERNAL
    is_of_the_question = False
    """Final: the question or a defect of ours is the reason, so that asking again changes nothing."""
    closes_the_model = False
    """The provider refused the call for a reason that is not the question's: the model is not asked for a while."""
    is_trouble_of_the_model = False
    """If it comes before any text, it counts as a failure in the model's circuit breaker."""
    is_counted = True
    """It counts as one of the question's calls. A refusal that closes the model does not: the provider did no work,
    and the question waits until the model can be asked again, or until it is too old."""

    is_unbilled = False
    """Nothing was generated or billed: the call did not reach the model, or was refused as a whole."""
    is_of_the_provider = True
    """The provider or the network has ended the call; False: this worker did, after a time limit."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after

    def unbilled(self) -> Self:
        """The same error, marked as not billed."""
        self.is_unbilled = True
        return self

    def by_us(self) -> Self:
        """The same error, marked as caused by a time limit of this worker."""
        self.is_of_the_provider = False
        return self


class ModelOverloaded(ModelError):
    """The provider is overloaded or has a temporary failure."""

    error_code = ErrorCode.MODEL_OVERLOADED
    is_trouble_of_the_model = True


class RateLimited(ModelError):
    """The rate limit is reached. `limit`: the allowed calls for each minute, if the provider reports it."""

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
    """Nothing arrived for too long, or the reply's deadline is over. After a thought or a count of tokens it does not
    count in the circuit breaker, since the model may need long to think."""

    error_code = ErrorCode.TIMED_OUT
    is_trouble_of_the_model = True


class Truncated(ModelError):
    """The stream ended without a finish reason, or a piece of the answer could not be read."""

    error_code = ErrorCode.TRUNCATED


class Disconnected(Truncated):
    """The connection was lost."""

    is_trouble_of_the_model = True


class EmptyReply(ModelError):
    """It finished without text, or with invisible characters only."""

    error_code = ErrorCode.EMPTY_REPLY


class ModelGone(ModelError):
    """The model does not exist, or no longer."""

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
    """The prompt is longer than the model accepts."""

    error_code = ErrorCode.PROMPT_TOO_LONG
    is_of_the_question = True
    is_unbilled = True


class InternalError(ModelError):
    """A defect of ours, or a request that the provider refuses as malformed."""

    is_of_the_question = True
