"""Validates figures and names of the provider that are only recorded.

They must not make an answer fail: a value out of range counts as not reported.
"""

from collections.abc import Mapping
from typing import Any

from worker.rows import Usage

MOST_TOKENS = 2**29 - 1
"""Of one kind; the sum of three fits into an integer of Postgres."""
LONGEST_VERSION = 100
"""Characters of a model version."""

FIELDS = ("promptTokenCount", "cachedContentTokenCount", "candidatesTokenCount", "thoughtsTokenCount")


def counts(metadata: Any) -> dict[str, int]:
    """The valid counts of an event, by their names in Gemini's JSON."""
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
    """The totals after an event, whose counts replace earlier ones; missing counts keep their values.

    Google's JSON leaves out zeros. So `cached` is 0 if only `prompt` is reported, `thoughts` is 0 if only
    `candidates` is, and `candidates` is 0 while there is no text.
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
    """The name without characters that Postgres, UTF-8 or a terminal cannot handle, such as NUL or surrogates."""
    if not isinstance(told, str):
        return None
    return "".join(each for each in told[:LONGEST_VERSION] if each.isprintable()) or None
