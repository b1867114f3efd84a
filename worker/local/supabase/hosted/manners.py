"""How the proxy treats requests: an interface, whose base class forwards everything unchanged."""

from dataclasses import dataclass
from enum import Enum

from worker.local.supabase.hosted.messages import Answer, Request


class Cut(Enum):
    """How a request ends without a response. Over HTTP/1.1 all of them close the connection."""

    CONNECTION = "connection"
    STREAM = "stream"  # RST_STREAM; the other streams of the connection go on
    GOAWAY = "goaway"  # GOAWAY, then the connection is closed with all its streams


@dataclass(frozen=True)
class Verdict:
    """What happens to a request. `is_made`: it is forwarded to the API, even if its response is replaced."""

    is_made: bool = True
    instead: Answer | Cut | None = None
    """Replaces the API's response."""
    delay: float = 0.0
    """Seconds before the response."""
    is_last: bool = False
    """The connection is closed after the response; over HTTP/2 with a GOAWAY."""


class Manners:
    """A Proxy calls these methods for each request."""

    def change(self, request: Request) -> Request:
        """The request that is forwarded to the API."""
        return request

    def judge(self, request: Request) -> Verdict:
        return Verdict()

    def change_answer(self, request: Request, answer: Answer) -> Answer | Cut:
        """The response that is sent instead of the API's `answer`."""
        return answer
