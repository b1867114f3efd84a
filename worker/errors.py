"""What can go wrong, as one tree.

PostBroError
├── ConfigError               settings that cannot be used
├── DatabaseError
│   ├── DatabaseAway          the API did not answer: try again
│   └── DatabaseRefused       the API said no: trying again changes nothing
└── ModelError                a call to the model gave no answer; carries an error_code
    ├── ModelOverloaded       another model is asked; where there is none, may be retried
    ├── RateLimited           may be retried, at the provider's own time
    ├── QuotaSpent            another model is asked
    ├── TimedOut              may be retried
    ├── Truncated             may be retried
    ├── EmptyReply            may be retried
    ├── ModelGone             another model is asked
    ├── ModelUnavailable
    ├── ContentBlocked
    ├── PromptTooLong
    └── InternalError
"""


class PostBroError(Exception):
    """The root."""


class ConfigError(PostBroError):
    """Settings that cannot be used; the message lists every problem."""


class DatabaseError(PostBroError):
    """A function of the database gave no result."""


class DatabaseAway(DatabaseError):
    """The API cannot be reached, or it cannot reach the database."""


class DatabaseRefused(DatabaseError):
    """The call was understood and refused. The message is the SQLSTATE, never the database's text."""


class ModelError(PostBroError):
    """`error_code` is what the user sees; `retry_after` is the provider's wish in seconds, if it has one."""

    error_code = "internal"
    may_be_retried = False
    """By the same model, after a while."""
    another_model_may_help = False
    is_trouble_of_the_model = False
    """It tells of the model's health, not of this question: the breaker counts it."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class ModelOverloaded(ModelError):
    """The provider is overloaded or broken for the moment."""

    error_code = "model_overloaded"
    may_be_retried = True
    another_model_may_help = True
    is_trouble_of_the_model = True


class RateLimited(ModelError):
    """The project's limit is reached for the moment."""

    error_code = "rate_limited"
    may_be_retried = True
    is_trouble_of_the_model = True


class QuotaSpent(ModelError):
    """The project's quota of this model is used up for the day, or it has none."""

    error_code = "rate_limited"
    another_model_may_help = True
    is_trouble_of_the_model = True


class TimedOut(ModelError):
    """Silence for too long, or the reply's time is over."""

    error_code = "timed_out"
    may_be_retried = True
    is_trouble_of_the_model = True


class Truncated(ModelError):
    """The stream ended without saying that it was finished."""

    error_code = "truncated"
    may_be_retried = True
    is_trouble_of_the_model = True


class EmptyReply(ModelError):
    """It finished without a word."""

    error_code = "empty_reply"
    may_be_retried = True


class ModelGone(ModelError):
    """No such model, or no longer."""

    error_code = "model_unavailable"
    another_model_may_help = True
    is_trouble_of_the_model = True


class ModelUnavailable(ModelError):
    """The key is refused."""

    error_code = "model_unavailable"


class ContentBlocked(ModelError):
    """The provider's filters refused the question or the answer."""

    error_code = "content_blocked"


class PromptTooLong(ModelError):
    """More than the model takes."""

    error_code = "prompt_too_long"


class InternalError(ModelError):
    """A defect of ours, or a request that the provider calls malformed."""
