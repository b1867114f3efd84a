"""A gateway before the API, under a name of its own or with a clock that is wrong. Sockets go through it, too."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.utils import formatdate, parsedate_to_datetime

from tests.support import before_api
from worker.local.supabase.hosted.manners import Cut, Manners
from worker.local.supabase.hosted.messages import Answer, Request


class Clock(Manners):
    def __init__(self, seconds_ahead: float) -> None:
        self._seconds_ahead = seconds_ahead

    def change_answer(self, request: Request, answer: Answer) -> Answer | Cut:
        shifted = tuple((key, self._shift(value) if key == "date" else value) for key, value in answer.headers)
        return replace(answer, headers=shifted)

    def _shift(self, date: str) -> str:
        return formatdate(parsedate_to_datetime(date).timestamp() + self._seconds_ahead, usegmt=True)


@contextmanager
def gateway(port: int, *, host: str = "127.0.0.1", seconds_ahead: float = 0) -> Iterator[str]:
    """The URL of a gateway before 127.0.0.1:`port`. `host` is its name; it must resolve to this machine."""
    with before_api.gateway(port, Clock(seconds_ahead)) as at:
        yield f"http://{host}:{at}"
