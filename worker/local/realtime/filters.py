"""Filters of row changes: `column=operator.value`, separated by commas, all of which must hold."""

import re
from dataclasses import dataclass

# Operator → SQL on `{column}`; `{value}` has the column's type, `{values}` is an array of that type.
OPERATORS = {
    "eq": "{column} = {value}",
    "neq": "{column} <> {value}",
    "lt": "{column} < {value}",
    "lte": "{column} <= {value}",
    "gt": "{column} > {value}",
    "gte": "{column} >= {value}",
    "in": "{column} = any({values})",
    "like": "{column} like {value}",
    "ilike": "{column} ilike {value}",
    "is": "{column} is {keyword}",
    "match": "{column} ~ {value}",
    "imatch": "{column} ~* {value}",
    "isdistinct": "{column} is distinct from {value}",
}
KEYWORDS = {"null", "true", "false", "unknown"}  # allowed after `is`
EXPRESSIONS = {"match", "imatch"}  # operators with a regular expression
PATTERNS = {"like", "ilike"} | EXPRESSIONS  # operators on text


class FilterError(ValueError):
    """The message is the detail that is sent to the client."""


@dataclass(frozen=True)
class Filter:
    """`value` is in Postgres' text form: of the column's type, or for `in` of an array of it."""

    column: str
    operator: str
    value: str
    negate: bool = False

    @property
    def sql(self) -> str:
        """Raises FilterError for an unknown keyword, since keywords become part of the statement."""
        condition = OPERATORS[self.operator]
        if self.operator == "is":
            if self.value not in KEYWORDS:
                raise FilterError(self.value)
            condition = condition.replace("{keyword}", self.value)
        return f"not ({condition})" if self.negate else condition

    @property
    def parameters(self) -> tuple[str, ...]:
        """Values for the placeholders of `sql`; none for `is`, whose keyword is in the statement."""
        return () if self.operator == "is" else (self.value,)

    def __str__(self) -> str:
        return f'{{"{self.column}", "{self.operator}", "{self.value}", {str(self.negate).lower()}}}'


def parse(text: str | None) -> tuple[Filter, ...]:
    """Raises FilterError."""
    if not text or not text.strip():
        return ()
    return tuple(_condition(part.strip()) for part in _split(text.strip()))


def _condition(text: str) -> Filter:
    if not text:
        raise FilterError("filter must not contain empty segments (check for extra commas)")
    column, equals, rest = text.partition("=")
    if not equals:
        raise FilterError(f'["{text}"]')
    negate = rest.startswith("not.")
    operator, dot, value = rest.removeprefix("not.").partition(".")
    if not dot:
        raise FilterError(f'["{operator}"]')
    if operator not in OPERATORS:
        raise FilterError(f'["{operator}", "{value}"]')
    return Filter(column, operator, _array(value) if operator == "in" else _unquoted(value), negate)


def _array(value: str) -> str:
    if len(value) < 2 or value[0] != "(" or value[-1] != ")":
        raise FilterError("`in` filter value must be wrapped by parentheses")
    return "{" + value[1:-1] + "}"


def _split(text: str) -> list[str]:
    """Split at commas outside of parentheses and double quotes."""
    parts, depth, quoted, escaped = [""], 0, False, False
    for at, character in enumerate(text):
        if escaped:
            escaped = False
        elif quoted:
            escaped, quoted = character == "\\", character != '"'
        elif character == '"' and at and text[at - 1] in ".(,":
            quoted = True
        elif character in "()":
            depth = depth + 1 if character == "(" else max(0, depth - 1)
        elif character == "," and not depth:
            parts.append("")
            continue
        parts[-1] += character
    return parts


QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)


def _unquoted(value: str) -> str:
    """Unquotes a value that is quoted as a whole; others are returned unchanged."""
    match = QUOTED.fullmatch(value)
    return re.sub(r"\\(.)", r"\1", match[1], flags=re.DOTALL) if match else value
