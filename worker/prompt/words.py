"""Counts the words of a text, also in scripts without spaces.

Text between two spaces counts as one word for each 20 characters or part of them; Chinese and Japanese for each two,
and Thai, Lao, Tibetan, Burmese and Khmer for each five, which is about the length of their words.
"""

import re

_CHINESE_OR_JAPANESE = r"\u2e80-\u2fdf\u3001-\u31ff\u3400-\u9fff\uf900-\ufaff\uff01-\uff9f\U00020000-\U0003ffff"
_SOUTH_EAST_ASIAN = r"\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff"
_WORD = re.compile(
    rf"[{_CHINESE_OR_JAPANESE}]{{1,2}}|[{_SOUTH_EAST_ASIAN}]{{1,5}}"
    rf"|[^\s{_CHINESE_OR_JAPANESE}{_SOUTH_EAST_ASIAN}]{{1,20}}"
)


def count(text: str) -> int:
    return len(_WORD.findall(text))


def beginning(text: str, words: int) -> str:
    """The longest beginning of the text with at most so many words."""
    end = 0
    for number, word in enumerate(_WORD.finditer(text)):
        if number == words:
            return text[:end]
        end = word.end()
    return text
