"""JSON as it may go on the wire to other people's clients: strict, and safe to encode as UTF-8."""

import json
import math
import re
from typing import Any

SURROGATE = re.compile("[\ud800-\udfff]")
HALF_A_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")


def loads(text: str | bytes) -> Any:
    """Raises ValueError for whatever the real server's parser would refuse, too deep nesting included."""
    try:
        text = text.decode() if isinstance(text, bytes) else text  # UTF-8 alone: json would guess
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        if HALF_A_CHARACTER.search(text):
            # Half of a pair, alone, is no text: neither Postgres nor a token could take it.
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def dumps(value: Any) -> str:
    """As short as UTF-8 is: sizes are counted in its bytes, and other people's clients have limits.

    Half of a pair could not be encoded: where there is one, all is escaped.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    if text.isascii() or not SURROGATE.search(text):
        return text
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is out of range")
    return number
