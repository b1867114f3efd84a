"""Words of a question or a fact, reduced to stems so that "hooks" finds "hook"."""

import re

_WORD = re.compile(r"[^\W_]+(?:['\u2019.,:%-][^\W_]+)*")
_POSSESSIVE = re.compile(r"['\u2019]s$")

_SUFFIXES = (
    ("ization", "iz"),
    ("isation", "iz"),
    ("ements", ""),
    ("ement", ""),
    ("ations", "at"),
    ("ation", "at"),
    ("ions", ""),
    ("ion", ""),
    ("ising", "iz"),
    ("izing", "iz"),
    ("ingly", ""),
    ("ings", ""),
    ("ing", ""),
    ("edly", ""),
    ("ies", "y"),
    ("ied", "y"),
    ("ed", ""),
    ("es", ""),
    ("ly", ""),
    ("e", ""),
)
_SHORTEST_STEM = 3


def words(text: str) -> list[str]:
    """The words of a text in lower case; figures such as 48,210 and 83.21 stay in one piece."""
    return [_POSSESSIVE.sub("", word) for word in _WORD.findall(text.casefold().replace("\u2019", "'"))]


def stem(word: str) -> str:
    """A crude stem: equal for the forms of one English word, harmless for an invented one."""
    if not word.isalpha():
        return word
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > _SHORTEST_STEM:
        word = word[:-1] if not word.endswith("ies") else word[:-3] + "y"
    for suffix, replacement in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _SHORTEST_STEM:
            word = word[: -len(suffix)] + replacement
            break
    if len(word) > _SHORTEST_STEM and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    return word


def stems(text: str) -> list[str]:
    return [stem(word) for word in words(text)]
