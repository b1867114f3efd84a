"""The cost of a call, by the model version that answered, which may differ from the one that was asked."""

import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, Self

import structlog

from worker.model import price_list
from worker.model.price_list import Price, canonical
from worker.model.usage import MOST_TOKENS
from worker.rows import Usage

log = structlog.get_logger()

MILLION = Decimal(1_000_000)

# Suffixes of a model's revisions; a name with another suffix is a different model.
_REVISION = re.compile(r"([-@:](preview|exp|experimental|latest|stable|default|\d+))*")
_BOUNDARIES = ("", "-", "@", ":")

# Only names of this form are logged, since the provider's value may contain anything.
_NAME = re.compile(r"[a-z0-9.-]{0,64}")
MOST_WARNINGS = 100


class Quote(NamedTuple):
    """The price that applies to a model."""

    price: Price
    is_estimated: bool
    """The price is an estimate, or that of another model whose name is a prefix of this one's."""


class Cost(NamedTuple):
    """US dollars, and whether they are an estimate."""

    usd: Decimal
    is_estimated: bool


class Prices:
    """Prices by model. The longest listed name that is a prefix of a model's name applies."""

    def __init__(self, listed: Iterable[Price]) -> None:
        self._by_name: defaultdict[str, list[Price]] = defaultdict(list)
        for price in sorted(listed, key=lambda each: each.starts_on or date.min, reverse=True):
            self._by_name[price.name].append(price)
        self._warned: set[str] = set()

    @classmethod
    def load(cls, over: Path | None = None) -> Self:
        """The shipped prices; the file `over` replaces those of the models that it names. Raises ValueError."""
        own = price_list.read(over) if over else []
        named = {price.name for price in own}
        return cls([*own, *(price for price in price_list.read(price_list.SHIPPED) if price.name not in named)])

    def of(self, model: str, day: date | None = None) -> Quote | None:
        """The price on `day` (None: today, in UTC); None: no price is known."""
        model, day = canonical(model), day or datetime.now(UTC).date()
        for name in sorted(self._by_name, key=len, reverse=True):
            rest = model.removeprefix(name)
            if not model.startswith(name) or rest[:1] not in _BOUNDARIES:
                continue
            price = next((each for each in self._by_name[name] if (each.starts_on or day) <= day), None)
            if price is not None:
                return Quote(price, price.estimated or not _REVISION.fullmatch(rest))
        return None

    def cost(self, model: str | None, usage: Usage) -> Cost | None:
        """The cost; counts that were not reported are 0. None: no price is known; logs one warning for each model."""
        quote = self.of(model or "")
        if quote is None:
            self._warn(canonical(model or ""))
            return None
        price, prompt = quote.price, _tokens(usage.prompt)
        cached = min(_tokens(usage.cached), prompt)
        output = _tokens(usage.candidates) + _tokens(usage.thoughts)
        dollars = ((prompt - cached) * price.prompt + cached * price.cached + output * price.output) / MILLION
        return Cost(dollars, quote.is_estimated)

    def _warn(self, model: str) -> None:
        if model not in self._warned and len(self._warned) < MOST_WARNINGS:
            self._warned.add(model)
            log.warning(
                "No price is known for this model: its cost stays empty.",
                action="price_unknown",
                model=model if _NAME.fullmatch(model) else None,
            )


def _tokens(count: int | None) -> int:
    return min(max(count or 0, 0), MOST_TOKENS)
