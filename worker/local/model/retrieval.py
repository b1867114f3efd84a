"""Ranking of facts by a question: BM25 over stems, with a few synonyms that count for half."""

import math
import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from .facts import Fact
from .terms import terms_of
from .vocabulary import SYNONYMS
from .words import stem, stems

TERM_SATURATION = 1.2
LENGTH_NORMALISATION = 0.6
SYNONYM_WEIGHT = 0.5
EXCERPT_LENGTH = 420  # characters; a longer fact is quoted by its best sentences

_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|\n+")


@dataclass(frozen=True)
class Hit:
    """`matched` holds the terms found, by themselves or by a synonym; `exact` says that one was by itself."""

    fact: Fact
    score: float
    matched: frozenset[str]
    exact: bool


@dataclass(frozen=True)
class Ranking:
    """Hits, best first; `coverage` (0…1) is how much of the question's weight the facts know at all."""

    hits: list[Hit]
    coverage: float
    unknown: list[str]


def rank(terms: list[str], facts: list[Fact]) -> Ranking:
    documents = [_document(fact) for fact in facts]
    average_length = sum(d.total() for d in documents) / max(1, len(documents))
    weights = {term: _inverse_frequency(term, documents) for term in terms}
    hits = []
    for fact, document in zip(facts, documents, strict=True):
        parts = {term: _term_score(term, document, average_length) for term in terms}
        matched = frozenset(term for term, part in parts.items() if part)
        if matched:
            score = sum(weights[term] * part for term, part in parts.items())
            hits.append(Hit(fact, score, matched, exact=any(document[term] for term in terms)))
    hits.sort(key=lambda hit: -hit.score)
    known = frozenset(term for hit in hits for term in hit.matched)
    total = sum(weights.values())
    coverage = sum(weights[term] for term in known) / total if total else 0.0
    return Ranking(hits, coverage, [term for term in terms if term not in known])


def exact_first(hits: list[Hit]) -> list[Hit]:
    """Without the hits that only a synonym found, where the word itself was found elsewhere."""
    return [hit for hit in hits if hit.exact] or hits


def _document(fact: Fact) -> Counter[str]:
    document = Counter(stems(f"{fact.label} {fact.text}"))
    # "#breadtok" is a hashtag without saying so.
    document[stem("hashtag")] += fact.text.count("#")
    return document


def _inverse_frequency(term: str, documents: list[Counter[str]]) -> float:
    holding = sum(1 for document in documents if document[term])
    return math.log(1 + (len(documents) - holding + 0.5) / (holding + 0.5))


def _term_score(term: str, document: Counter[str], average_length: float) -> float:
    frequency = document[term] + SYNONYM_WEIGHT * max(
        (document[other] for other in SYNONYMS.get(term, frozenset()) if other != term), default=0
    )
    length = 1 - LENGTH_NORMALISATION + LENGTH_NORMALISATION * document.total() / max(1.0, average_length)
    return frequency * (TERM_SATURATION + 1) / (frequency + TERM_SATURATION * length) if frequency else 0.0


def sentences(text: str) -> list[str]:
    return [sentence.strip() for sentence in _SENTENCE_END.split(text) if sentence.strip()]


def excerpt(text: str, terms: list[str]) -> str:
    """A short text whole; of a long one the sentences that match best, in their order, gaps marked."""
    if len(text) <= EXCERPT_LENGTH:
        return text
    parts = sentences(text)
    wanted = set(terms).union(*(SYNONYMS.get(term, frozenset()) for term in terms))
    by_match = sorted(range(len(parts)), key=lambda n: (-len(wanted & set(terms_of(parts[n]))), n))
    kept: list[int] = []
    for n in by_match:
        if not kept or sum(len(parts[k]) for k in kept) + len(parts[n]) <= EXCERPT_LENGTH:
            kept.append(n)
    kept.sort()
    joined = parts[kept[0]]
    for before, n in pairwise(kept):
        joined += (" " if n == before + 1 else " … ") + parts[n]
    return joined
