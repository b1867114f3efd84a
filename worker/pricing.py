"""What a call cost, by the model version that answered: a provider may answer with another than was asked."""

import re
from decimal import Decimal
from typing import NamedTuple

import structlog

from worker.models import Usage

log = structlog.get_logger()

MILLION = Decimal(1_000_000)


class Price(NamedTuple):
    """US dollars for a million tokens."""

    prompt: Decimal
    cached: Decimal
    output: Decimal


# As listed by Google in November 2026. gemini-3.8-flash has no price here until it is established.
PRICES = {
    "gemini-3.5-flash-lite": Price(Decimal("0.30"), Decimal("0.03"), Decimal("2.50")),
    "gemini-2.5-flash": Price(Decimal("0.30"), Decimal("0.03"), Decimal("2.50")),
    "offline-extractive": Price(Decimal(0), Decimal(0), Decimal(0)),
}

# Only what looks like a model's name is logged: the word is the provider's, and may be anything.
_NAME = re.compile(r"[a-z0-9.-]{0,64}")
MOST_WARNINGS = 100

_warned: set[str] = set()


def cost(model_version: str | None, usage: Usage) -> Decimal | None:
    """US dollars, or None where the price (one warning for each model) or what was used is not known."""
    name = re.sub(r"^models/|-\d{3}$", "", model_version or "")
    price = PRICES.get(name)
    if price is None:
        if name not in _warned and len(_warned) < MOST_WARNINGS:
            _warned.add(name)
            log.warning(
                "No price is known for this model: its cost stays empty.",
                action="price_unknown",
                model=name if _NAME.fullmatch(name) else None,
            )
        return None
    if usage.prompt is None or usage.candidates is None:
        return None
    cached = usage.cached or 0
    return (
        (usage.prompt - cached) * price.prompt
        + cached * price.cached
        + (usage.candidates + (usage.thoughts or 0)) * price.output
    ) / MILLION
