"""Token counts as an estimate, and the pieces in which an answer is streamed."""

import re

CHARACTERS_PER_TOKEN = 4
_WORD_WITH_SPACE = re.compile(r"\s*\S+\s*")


def count_tokens(text: str) -> int:
    """About as many tokens as the text has: a quarter of its characters, rounded up."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def truncate(text: str, max_tokens: int) -> str:
    """The longest beginning of the text with at most `max_tokens` tokens."""
    return text[: max_tokens * CHARACTERS_PER_TOKEN]


def pieces(text: str) -> list[str]:
    """The text in pieces of one or two words by turns; joined, they are the text."""
    found = _WORD_WITH_SPACE.findall(text)
    result: list[str] = []
    while found:
        size = 1 + len(result) % 2
        result.append("".join(found[:size]))
        found = found[size:]
    return result
