"""Strict JSON for the protocol: it can always be encoded as UTF-8."""

import json
import math
import re
from typing import Any

SURROGATE = re.compile("[\ud800-\udfff]")
HALF_A_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")


def loads(text: str | bytes) -> Any:
    """Raises ValueError for everything that the real server's parser refuses, and for too deep nesting."""
    try:
        text = text.decode() if isinstance(text, bytes) else text  # UTF-8 only: json would guess the encoding
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        if HALF_A_CHARACTER.search(text):
            # A lone surrogate cannot be stored in Postgres or a token: encode() raises ValueError for it.
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def dumps(value: Any) -> str:
    """Without escapes for non-ASCII characters, since sizes are limited in bytes of UTF-8.

    A lone surrogate cannot be encoded: if there is one, all non-ASCII characters are escaped.
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
