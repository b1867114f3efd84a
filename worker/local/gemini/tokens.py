"""Estimates token counts, and splits an answer into the pieces of a stream."""

import re

CHARACTERS_PER_TOKEN = 4
_WORD_WITH_SPACE = re.compile(r"\s*\S+\s*")


def count_tokens(text: str) -> int:
    """An estimate: a quarter of the characters, rounded up."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def truncate(text: str, max_tokens: int) -> str:
    """The longest beginning of the text with at most `max_tokens` tokens."""
    return text[: max_tokens * CHARACTERS_PER_TOKEN]


def pieces(text: str) -> list[str]:
    """The text in pieces of alternately one and two words; joined, they are the text."""
    found = _WORD_WITH_SPACE.findall(text)
    result: list[str] = []
    while found:
        size = 1 + len(result) % 2
        result.append("".join(found[:size]))
        found = found[size:]
    return result
