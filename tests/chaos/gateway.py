"""Between the workers and the API: it hands everything on, and refuses or loses calls of functions when told to.

A call that is refused may have been made all the same: only its answer is lost then.
"""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support import before_api
from worker.local.supabase.hosted.answers import BUSY, POSTGREST
from worker.local.supabase.hosted.manners import Cut, Manners, Verdict
from worker.local.supabase.hosted.messages import Answer, Request

FUNCTIONS = "/rest/v1/rpc/"
CLAIM = f"{FUNCTIONS}claim_replies"
REFUSALS = [*POSTGREST, BUSY]


class Gateway(Manners):
    """Told from any thread."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311
        self._share = 0.0
        self._claims_to_lose = 0
        self.url = ""
        self.refused = 0
        """How many calls, so far."""
        self.lost = 0
        """How many claims that had brought something, so far."""

    def refuse(self, share: float) -> None:
        """From now on this share of the calls is refused, every other one of them after it was made."""
        self._share = share

    def lose_claims(self, number: int) -> None:
        """The answers of the next claims that bring something are lost."""
        self._claims_to_lose = number

    def judge(self, request: Request) -> Verdict:
        if not request.path.startswith(FUNCTIONS) or self._chance.random() >= self._share:
            return Verdict()
        self.refused += 1
        # One after the other, and each in both manners: a few seconds see them all.
        kind, manner = self.refused % len(REFUSALS), self.refused // len(REFUSALS)
        return Verdict(is_made=(kind + manner) % 2 == 0, instead=REFUSALS[kind])

    def change_answer(self, request: Request, answer: Answer) -> Answer | Cut:
        is_claim = request.path == CLAIM and answer.status == 200
        if self._claims_to_lose and is_claim and json.loads(answer.body)["replies"]:
            self._claims_to_lose -= 1
            self.lost += 1
            return Cut.CONNECTION
        return answer


@contextmanager
def gateway(port: int, seed: int) -> Iterator[Gateway]:
    """Before 127.0.0.1:`port`."""
    made = Gateway(seed)
    with before_api.gateway(port, made) as at:
        made.url = f"http://127.0.0.1:{at}"
        yield made
