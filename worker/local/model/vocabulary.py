"""The word lists of `vocabulary.toml`: kept apart from the code, to be read and grown as lists."""

import tomllib
from pathlib import Path
from typing import Any

from .words import stem

_LISTS: dict[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))

SECTION_STEMS = {name: frozenset(map(stem, words.split())) for name, words in _LISTS["sections"].items()}
SYNONYMS = {
    stem(word): frozenset(map(stem, line.split()))
    for line in _LISTS["synonyms"].splitlines()
    for word in line.split()
}


def word_list(name: str) -> frozenset[str]:
    return frozenset(_LISTS[name].split())


def stem_list(name: str) -> frozenset[str]:
    return frozenset(map(stem, word_list(name)))
