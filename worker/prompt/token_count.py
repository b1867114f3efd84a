"""Estimates the number of tokens of a text from its characters; the estimate is rather too high.

The first byte of a character in UTF-8 tells its script, so a table of 256 costs is sufficient. It is fast for long
texts, and the cost of two texts together is the sum of their costs.
"""

from bisect import bisect_right
from itertools import accumulate

_TOKEN = 20
"""Costs are in twentieths of a token."""
_MOST_CHARACTERS = 5
"""The most characters that one token stands for: spaces."""

_COSTS = bytearray(256)  # further bytes of a character cost nothing
for _first, _last, _cost in (
    (0x00, 0x7F, 20),  # line ends, signs, digits: digits are taken one by one
    (0x20, 0x20, 4),
    (0x41, 0x5A, 14),  # A to Z: few in a sentence, many in base64
    (0x61, 0x7A, 5),  # a to z
    (0xC2, 0xC9, 16),  # é, ß, ł
    (0xCA, 0xCD, 40),  # phonetic signs, and marks that are put on any letter
    (0xCE, 0xDF, 10),  # Greek, Cyrillic, Armenian, Hebrew, Arabic
    (0xE0, 0xE0, 10),  # the scripts of India, Thai, Lao
    (0xE1, 0xE1, 20),  # Burmese, Khmer, Georgian, Vietnamese
    (0xE2, 0xE2, 30),  # dashes, quotation marks, symbols
    (0xE3, 0xEF, 20),  # Chinese, Japanese, Korean
    (0xEE, 0xEE, 60),  # private use, byte by byte
    (0xF0, 0xF4, 80),  # emoji, and what is so rare that it is taken byte by byte
):
    _COSTS[_first : _last + 1] = bytes([_cost]) * (_last + 1 - _first)


def estimate(text: str) -> int:
    """The estimated number of tokens, rounded up. A character costs four tokens at most."""
    return -(-sum(_cost_of_bytes(text)) // _TOKEN)


def beginning(text: str, tokens: int) -> str:
    """The longest beginning of the text with at most so many tokens; empty for a negative number."""
    text = text[: max(tokens, 0) * _MOST_CHARACTERS]
    costs = list(accumulate(_cost_of_bytes(text)))
    kept = bisect_right(costs, tokens * _TOKEN)  # never within a character, since its further bytes cost nothing
    return text.encode("utf-8", "surrogatepass")[:kept].decode("utf-8", "surrogatepass")


def _cost_of_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass").translate(_COSTS)
