"""Figures and names from the provider that are only recorded: brought into range where they arrive.

No answer may fail because of them: a value out of range counts as not reported.
"""

from collections.abc import Mapping
from typing import Any

from worker.rows import Usage

MOST_TOKENS = 2**29 - 1
"""Of one kind: three of them together are an integer for Postgres, too."""
LONGEST_VERSION = 100
"""Characters of a model version."""

FIELDS = ("promptTokenCount", "cachedContentTokenCount", "candidatesTokenCount", "thoughtsTokenCount")


def counts(metadata: Any) -> dict[str, int]:
    """The counts that an event holds, by their names on the wire; what is no count is left out."""
    if not isinstance(metadata, Mapping):
        return {}
    told = {name: _count(metadata.get(name)) for name in FIELDS}
    return {name: count for name, count in told.items() if count is not None}


def _count(figure: Any) -> int | None:
    # Google's JSON writes long integers as strings.
    if isinstance(figure, str) and figure.isascii() and figure.isdigit() and len(figure) < 20:
        figure = int(figure)
    if isinstance(figure, bool) or not isinstance(figure, int | float) or not 0 <= figure <= MOST_TOKENS:
        return None
    return int(figure) if figure == int(figure) else None


def updated(
    before: Usage | None,
    prompt: int | None,
    cached: int | None,
    candidates: int | None,
    thoughts: int | None,
    has_text: bool,
) -> Usage:
    """Each event has running totals that replace those before; a total that is missing stays as it was.

    Google's JSON leaves out zeros. So beside a prompt's count nothing was cached unless it says so, beside an
    answer's nothing was thought, and while no text has come an answer that is not counted has no tokens.
    """
    before = before or Usage()
    prompt = before.prompt if prompt is None else prompt
    cached = before.cached if cached is None else cached
    candidates = before.candidates if candidates is None else candidates
    thoughts = before.thoughts if thoughts is None else thoughts
    if prompt is not None:
        cached = min(cached or 0, prompt)
        candidates = 0 if candidates is None and not has_text else candidates
    if candidates is not None:
        thoughts = thoughts or 0
    return Usage(prompt, cached, candidates, thoughts)


def model_version(told: Any) -> str | None:
    """Without what Postgres, UTF-8 or a terminal cannot take: NUL, halves of pairs, control characters."""
    if not isinstance(told, str):
        return None
    return "".join(each for each in told[:LONGEST_VERSION] if each.isprintable()) or None
