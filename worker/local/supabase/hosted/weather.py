"""Imitates a hosted project: always its limit of rows, and bursts of faults with calm between them, by a seed."""

import random
import time
from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode

from worker.local.supabase.hosted import answers
from worker.local.supabase.hosted.manners import Cut, Manners, Verdict
from worker.local.supabase.hosted.messages import Request

MAX_ROWS = 100
CALM_SECONDS = (4.0, 12.0)
BURST_SECONDS = (0.5, 3.0)
HIT_SHARE = 0.6  # of the requests, during a burst
SLOW_SECONDS = (0.3, 4.0)


class Weather(Manners):
    """`max_rows`: limit of rows for each read. `tell` is called with the kind of each burst when it begins.

    `hit`: kind of fault → number of requests that it has met.
    """

    def __init__(
        self,
        seed: int,
        max_rows: int = MAX_ROWS,
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._tell = tell
        self._chance = random.Random(seed)  # noqa: S311
        self._max_rows = max_rows
        self._clock = clock
        self._kinds: dict[str, Callable[[Request], Verdict]] = {
            "slow": self._slow,
            "late": self._late,
            "cut": self._cut,
            "refused": self._refused,
            "busy": lambda _: Verdict(is_made=False, instead=answers.BUSY),
            "clock": self._by_clock,
            "going away": lambda _: Verdict(is_last=True),
        }
        self.hit = dict.fromkeys(self._kinds, 0)
        self._deck: list[str] = []
        self._burst: str | None = None
        self._changes_at = clock() + self._chance.uniform(*CALM_SECONDS)

    def change(self, request: Request) -> Request:
        """Apply max-rows, PostgREST's limit of rows, to each read."""
        path, _, query = request.target.partition("?")
        if request.method not in ("GET", "HEAD") or not path.startswith("/rest/v1/"):
            return request
        words = dict(parse_qsl(query, keep_blank_values=True))
        asked = words.get("limit", "")
        if asked.isdecimal() and int(asked) <= self._max_rows:
            return request
        pairs = [(key, value) for key, value in parse_qsl(query, keep_blank_values=True) if key != "limit"]
        return request.at(f"{path}?{urlencode([*pairs, ('limit', str(self._max_rows))])}")

    def judge(self, request: Request) -> Verdict:
        kind = self._now()
        if kind is None or not _is_of_the_project(request) or self._chance.random() >= HIT_SHARE:
            return Verdict()
        self.hit[kind] += 1
        return self._kinds[kind](request)

    def _now(self) -> str | None:
        """The kind of the present burst; None in calm. Every kind comes once before any comes again."""
        if self._clock() >= self._changes_at:
            if self._burst is None:
                self._deck = self._deck or self._chance.sample(list(self._kinds), len(self._kinds))
                self._burst = self._deck.pop()
                self._tell(self._burst)
            else:
                self._burst = None
            length = CALM_SECONDS if self._burst is None else BURST_SECONDS
            self._changes_at = self._clock() + self._chance.uniform(*length)
        return self._burst

    def _slow(self, _: Request) -> Verdict:
        return Verdict(delay=self._chance.uniform(*SLOW_SECONDS))

    def _late(self, _: Request) -> Verdict:
        """The request is executed, but its response is lost."""
        return Verdict(instead=self._chance.choice(list(Cut)), delay=self._chance.uniform(0, 0.5))

    def _cut(self, _: Request) -> Verdict:
        return Verdict(is_made=False, instead=self._chance.choice(list(Cut)))

    def _refused(self, request: Request) -> Verdict:
        return Verdict(
            is_made=self._chance.random() < 0.5, instead=self._chance.choice(answers.for_path(request.path))
        )

    def _by_clock(self, request: Request) -> Verdict:
        """PostgREST's clock is behind that of Auth, or of the gateway, which issues the token for a secret key."""
        is_of_postgrest = request.path.startswith("/rest/v1/")
        return Verdict(is_made=False, instead=answers.CLOCK) if is_of_postgrest else Verdict()


def _is_of_the_project(request: Request) -> bool:
    """Whether it is a call to the project: not a health check of the local stack, and not a CORS preflight."""
    return request.method != "OPTIONS" and request.path.startswith(("/rest/v1/", "/auth/v1/", "/realtime/v1/api/"))
