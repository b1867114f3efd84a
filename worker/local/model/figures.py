"""The metrics of a post, copied character by character: never computed, never rounded."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from .vocabulary import stem_list, word_list
from .words import stem, words

_NAME_AND_COLON = re.compile(r"^[-*•\s]*\"?([^:=]*[^\W\d][^:=]*?)\"?\s*[:=]\s*\"?([^\"]*\d[^\"]*)\"?$")
_NAME_FIRST = re.compile(r"^[-*•\s]*([^\W\d]\D*?)\s+([^\w\s]{0,2}\d.*)$")
_VALUE_FIRST = re.compile(r"^[-*•\s]*(\d[\d.,]*\s?[%kKmMbB]?)\s+([^\W\d].*)$")
_BETWEEN = re.compile(r"[;|\n•]|\s·\s|,\s+(?=[^\W\d])|,\s+(?=\d[\d.,]*\s+[^\W\d])")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")

LONGEST_PART = 200  # characters; what is longer is prose, and slow to take for a metric
_SHARED = stem_list("metric_shared")
_VERBS = word_list("metric_verbs")


@dataclass(frozen=True)
class Figure:
    """One metric: `name` in plain words ("engagement rate"), `value` as it stood in the prompt."""

    name: str
    value: str

    @property
    def is_count(self) -> bool:
        """Whether "48,210 likes" reads well, as "13.2% engagement rate" does not."""
        return self.name.endswith("s") and re.fullmatch(r"[\d.,\s]+[kKmMbB]?", self.value) is not None

    @property
    def telling(self) -> frozenset[str]:
        """The stems that tell this figure from others."""
        all_stems = frozenset(stem(word) for word in words(self.name))
        return (all_stems - _SHARED) or all_stems


def read_figures(text: str) -> list[Figure]:
    """Read "likes 48,210; comments 1,204", "likes: 48210" line by line, "48,210 likes" or a JSON object."""
    try:
        loaded = json.loads(text)
    except ValueError:
        loaded = None
    if isinstance(loaded, dict):
        return [Figure(_plain(name), _plain_value(value)) for name, value in loaded.items() if value is not None]
    parts = (part.strip() for part in _BETWEEN.split(text))
    return list(_read_parts(part for part in parts if len(part) <= LONGEST_PART))


def _read_parts(parts: Iterable[str]) -> Iterable[Figure]:
    for part in parts:
        if match := _NAME_AND_COLON.match(part) or _NAME_FIRST.match(part):
            yield Figure(_plain(match[1]), match[2].strip())
        elif match := _VALUE_FIRST.match(part):
            yield Figure(_plain(match[2]), match[1].strip())


def _plain(name: str) -> str:
    return _CAMEL.sub(" ", name).replace("_", " ").strip(" .").lower()


def _plain_value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def figures_asked(question: str, figures: list[Figure]) -> list[Figure]:
    """The figures whose telling words the question holds, the fullest match of each word first."""
    asked = _asked_stems(question)
    hits = [figure for figure in figures if figure.telling & asked]
    # "engagement rate" asked in full must not drag "engagement" or "view rate" along.
    full = [figure for figure in hits if set(map(stem, words(figure.name))) <= asked]
    covered = {s for figure in full for s in figure.telling}
    return full + [figure for figure in hits if figure not in full and not figure.telling & covered]


def _asked_stems(question: str) -> set[str]:
    surface = words(question)
    counted = any(word in ("many", "number", "count", "total") for word in surface)
    return {stem(word) for word in surface if counted or word not in _VERBS}
