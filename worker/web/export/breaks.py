"""Marks where long words may be broken, since the typesetter does not break them by itself."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

# Not in scripts without spaces (Thai to Khmer, and East Asia), which the typesetter does break.
_LONG_WORD = re.compile(r"[^\s\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\U0010ffff]{25,}")
_PIECE = 12  # characters; fits into a narrow table cell
_MAY_BREAK = "\u200b"


def breakable(node: Any) -> Any:
    """The blocks and runs (see nodes) with zero-width spaces in the long words of every `text`."""
    if isinstance(node, list):
        return [breakable(part) for part in node]
    if isinstance(node, dict):
        return {name: _marked(part) if name == "text" else breakable(part) for name, part in node.items()}
    return node


def _marked(text: str) -> str:
    return _LONG_WORD.sub(lambda word: _MAY_BREAK.join(_pieces(word[0])), text)


def _pieces(word: str) -> Iterator[str]:
    start = 0
    for end in range(1, len(word)):
        if end - start >= _PIECE and not unicodedata.combining(word[end]):
            yield word[start:end]
            start = end
    yield word[start:]
