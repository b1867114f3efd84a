"""Reads price lists of models in TOML: the shipped prices.toml, which describes the format, and an operator's."""

import re
import tomllib
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

SHIPPED = Path(__file__).parent / "prices.toml"

HIGHEST = 500
"""US dollars for a million tokens. A higher price has probably a wrong unit; and the cost of the greatest token
counts (usage.py) must fit into the ledger's column."""


def canonical(model: str) -> str:
    """A model's name in lower case, without an API's prefix such as "models/"."""
    return re.sub(r"^(publishers/google/)?models/", "", model.strip().lower())


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("It must be a number")
    return value


Dollars = Annotated[Decimal, BeforeValidator(_number), Field(ge=0, le=HIGHEST)]
Day = Annotated[date, Field(strict=True)]


class Price(BaseModel):
    """US dollars for a million tokens of one model, from a day on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Annotated[str, Field(strict=True, max_length=100, pattern=r"^[\w./@:-]*\w$")]
    prompt: Dollars
    cached: Dollars
    output: Dollars
    as_of: Day
    source: Annotated[str, Field(strict=True, min_length=1)]
    starts_on: Day | None = None
    """The first day in UTC; None: always."""
    estimated: Annotated[bool, Field(strict=True)] = False
    """The price is an estimate."""

    @property
    def name(self) -> str:
        return canonical(self.model)


class _List(BaseModel):
    model_config = ConfigDict(extra="forbid")

    prices: list[Price]


def read(path: Path) -> list[Price]:
    """The prices of a file. Raises ValueError, with a sentence for each error."""
    try:
        told = tomllib.loads(path.read_bytes().decode(), parse_float=Decimal)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8") from None
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"{path} is not TOML: {error}") from None
    try:
        prices = _List.model_validate(told).prices
    except ValidationError as error:
        problems = [
            f"{_place(told, each['loc'])}: {each['msg'].removeprefix('Value error, ')}"
            for each in error.errors(include_input=False, include_url=False)
        ]
        raise ValueError(f"{path}: {'; '.join(problems)}") from None
    counted = Counter((price.name, price.starts_on) for price in prices)
    if twice := [name for (name, _), count in counted.items() if count > 1]:
        raise ValueError(f"{path}: Two prices of {twice[0]} start on the same day")
    return prices


def _place(told: dict[str, Any], path: tuple[int | str, ...]) -> str:
    """("prices", 1, "output") reads as: price 2 (its model), output."""
    if path[:1] != ("prices",) or len(path) == 1:
        return ", ".join(map(str, path))
    number = int(path[1])
    price = told["prices"][number]
    model = price.get("model") if isinstance(price, dict) else None
    return ", ".join([f"price {number + 1} ({model})" if model else f"price {number + 1}", *map(str, path[2:])])
