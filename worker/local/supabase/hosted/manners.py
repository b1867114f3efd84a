"""How a gateway treats a request: an interface, and the manners of none, which hands everything on as it is."""

from dataclasses import dataclass
from enum import Enum

from worker.local.supabase.hosted.messages import Answer, Request


class Cut(Enum):
    """How a request is left without an answer. Over HTTP/1.1 all of them close the connection."""

    CONNECTION = "connection"
    STREAM = "stream"  # RST_STREAM: the other streams of the connection go on
    GOAWAY = "goaway"  # … and the connection is closed, with all its streams


@dataclass(frozen=True)
class Verdict:
    """What becomes of a request. `is_made`: it reaches the API, whatever is answered."""

    is_made: bool = True
    instead: Answer | Cut | None = None
    """This comes in the place of the API's answer."""
    delay: float = 0.0
    """Seconds before anything is answered."""
    is_last: bool = False
    """The connection is closed after the answer; over HTTP/2 by a GOAWAY that says so."""


class Manners:
    """Handed to a Proxy, which asks for each request."""

    def change(self, request: Request) -> Request:
        """As the API is to see it."""
        return request

    def judge(self, request: Request) -> Verdict:
        return Verdict()

    def change_answer(self, request: Request, answer: Answer) -> Answer | Cut:
        """Of the API, to one request."""
        return answer
