"""The offline model of the house, asked to misbehave."""

import contextlib
from types import TracebackType
from typing import Any, Self

import httpx

# These are no failures of the model: a worker's breakers count none of them.
HARMLESS = {"say", "slow", "blocked_prompt", "figures", "after_the_end", "framing", "repeat"}
BLOCKED = {"SAFETY", "RECITATION", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "LANGUAGE"}
TOO_LONG = 413


class FaultyModel:
    """Faults that end with the test. See worker/local/gemini/faults.py for what there is."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=5)
        self._added: list[int] = []
        self.has_hurt = False
        """Whether the worker may think ill of a model by now."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.closing(self._client):
            self.forget()

    def add(self, fault: str, *, question: str, times: int | None = 1, **parameters: Any) -> int:
        """The next `times` calls whose question contains `question` meet this fault. Returns its id."""
        body = {"fault": fault, "question": question, "times": times, **parameters}
        answer = self._client.post("/faults", json=body)
        assert answer.status_code == 201, answer.text
        number: int = answer.json()["id"]
        self._added.append(number)
        self.has_hurt |= not (
            fault in HARMLESS or parameters.get("reason") in BLOCKED or parameters.get("status") == TOO_LONG
        )
        return number

    def forget(self) -> None:
        """No call meets any of these faults any more."""
        for number in self._added:
            self._client.delete(f"/faults/{number}")
        self._added.clear()

    def used(self, number: int) -> int:
        """How many calls have met it."""
        return next(each["used"] for each in self._client.get("/faults").json() if each["id"] == number)
