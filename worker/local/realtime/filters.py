"""Filters of row changes: `column=operator.value`, joined by commas, all of which must hold."""

import re
from dataclasses import dataclass

MOST_VALUES = 100  # of one `in`

CONDITION = re.compile(r"(?P<column>[^=]+)=(?P<operator>\w+)\.(?P<value>.*)", re.DOTALL)


class FilterError(ValueError):
    """The message is the detail as the client is told it."""


@dataclass(frozen=True)
class Filter:
    """`value` has one element, or for `in` any number. Values are compared as the column's type."""

    column: str
    operator: str
    values: tuple[str, ...]

    @property
    def sql(self) -> str:
        """A condition on `{column}`, which is of `{type}`, with one parameter."""
        return OPERATORS[self.operator]

    @property
    def parameter(self) -> str | list[str]:
        return list(self.values) if self.operator == "in" else self.values[0]

    def __str__(self) -> str:
        value = self.values[0] if self.operator == "eq" else "{" + ",".join(self.values) + "}"
        return f'{{"{self.column}", "{self.operator}", "{value}"}}'


# One operator more is one line more here, and its way of reading a value in `_values`.
OPERATORS = {
    "eq": "{column} = %s::text::{type}",
    "in": "{column} = any(%s::text[]::{type}[])",
}


def parse(text: str | None) -> tuple[Filter, ...]:
    """Raises FilterError."""
    if not text or not text.strip():
        return ()
    parts = _split(text)
    if not all(part.strip() for part in parts):
        raise FilterError("filter must not contain empty segments (check for extra commas)")
    return tuple(_condition(part.strip()) for part in parts)


def _condition(text: str) -> Filter:
    match = CONDITION.fullmatch(text)
    if match is None:
        raise FilterError(f'["{text}"]')
    column, operator, value = match["column"], match["operator"], match["value"]
    if operator not in OPERATORS:
        raise FilterError(f'["{column}", "{operator}.{value}"]')
    return Filter(column, operator, _values(operator, value))


def _values(operator: str, value: str) -> tuple[str, ...]:
    if operator != "in":
        return (_unquoted(value),)
    if not (value.startswith("(") and value.endswith(")")):
        raise FilterError("`in` filter value must be wrapped by parentheses")
    inside = value[1:-1]
    return tuple(_unquoted(part.strip()) for part in _split(inside)) if inside.strip() else ()


def _split(text: str) -> list[str]:
    """At the commas that stand outside of parentheses and double quotes."""
    parts, depth, quoted, escaped = [""], 0, False, False
    for at, character in enumerate(text):
        if escaped:
            escaped = False
        elif quoted:
            escaped, quoted = character == "\\", character != '"'
        elif character == '"' and (at == 0 or text[at - 1] in ".(,"):
            quoted = True
        elif character in "()":
            depth += 1 if character == "(" else -1
        elif character == "," and depth <= 0:
            parts.append("")
            continue
        parts[-1] += character
    return parts


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value
