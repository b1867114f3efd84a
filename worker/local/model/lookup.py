"""Direct questions: a figure ("how many likes?"), a field of the post ("when was it posted?"), or several."""

import re

from .conversation import Question
from .facts import Dossier, Fact
from .fields import FIELD_STEMS, field_answer, fields_asked
from .figures import Figure, figures_asked
from .quoting import bullets, figure_bullets, in_the_askers_words, listed, quoted
from .retrieval import rank
from .terms import terms_of
from .vocabulary import stem_list, word_list
from .words import stem, stems, words

_COUNTING = re.compile(r"\bhow (?:many|much)\b|\bnumber of\b|\bcount\b|\btotal\b")
_NAMING = re.compile(
    r"\bwhat(?:'s| is| was| are| were)\b|\bdid it (?:get|have)\b|\bdoes it have\b|"
    r"^(?:and|what about|how about|give|show|list|tell)\b"
)
_NOT_DIRECT = re.compile(r"\bwhy\b|\bshould\b|\bhow (?:can|could|do|to|does|did)\b|\banalysis (?:say|tell|mention)")
_ARITHMETIC = re.compile(
    r"\bratio\b|\bper\b|\bpercentage\b|\bdivided\b|\bsum of\b|\bdifference between\b|\btimes more\b"
)
_ALL_FIGURES = re.compile(
    r"\b(?:metrics?|figures|numbers|stats|statistics|analytics|performance)\b|"
    r"\bhow (?:well )?(?:did|does|is|was) (?:\w+ )?\w+ (?:perform|do|doing|performing)\b"
)
_ALL_FIGURES_STEMS = stem_list("all_metrics")
_VAGUE_STEMS = stem_list("metric_vague")
_METRICS = word_list("metrics")
_FEW_WORDS = 4


def direct_answer(question: Question, dossier: Dossier) -> str | None:
    text = question.lower
    if _NOT_DIRECT.search(text):
        return None
    figures = figures_asked(text, dossier.figures)
    if _COUNTING.search(text):
        # "How many people watched?" does not ask for the average watch time.
        figures = [figure for figure in figures if figure.is_count or figure.telling <= set(stems(text))]
    absent = _absent_metrics(text, dossier.figures)
    fields = fields_asked(text)
    named = {s for figure in figures for s in stems(figure.name)} | {stem(word) for word in absent}
    spent = _VAGUE_STEMS | named | (FIELD_STEMS if fields else frozenset())
    left = [s for s in terms_of(text) if s not in spent]
    parts = []
    if named and _asks_for_figures(text, left):
        parts.append(_figures_part(question, figures, absent, left, dossier))
    if fields and not left:
        parts += [field_answer(name, dossier) for name in fields]
    return "\n\n".join(parts) or None


def performance(question: Question, dossier: Dossier) -> str | None:
    """All figures, after the viral status where performance is asked for."""
    text = question.lower
    rest = set(terms_of(text)) - _ALL_FIGURES_STEMS
    if not _ALL_FIGURES.search(text) or rest or re.search(r"\bwhy\b|\bshould\b", text):
        return None
    parts = []
    if (status := dossier.of("viral_status")) and re.search(r"\bperform|\bdo\b|\bdoing\b", text):
        parts.append(f"From the analysis:\n\n{bullets(status, [])}")
    if dossier.figures:
        parts.append(_listed(dossier.figures))
    return "\n\n".join(parts) or None


def _asks_for_figures(text: str, left: list[str]) -> bool:
    if _COUNTING.search(text):
        return True
    is_naming = bool(_NAMING.search(text) or _ARITHMETIC.search(text)) or len(words(text)) <= _FEW_WORDS
    return is_naming and not left


def _absent_metrics(text: str, figures: list[Figure]) -> list[str]:
    present = {s for figure in figures for s in stems(figure.name)}
    return [word for word in dict.fromkeys(words(text)) if word in _METRICS and stem(word) not in present]


def _figures_part(
    question: Question, figures: list[Figure], absent: list[str], left: list[str], dossier: Dossier
) -> str:
    parts = []
    details = _details(figures, absent, left, dossier)
    if details:
        parts.append(f"From the analysis:\n\n{bullets(details, left)}")
    if figures:
        parts.append(_given(question.lower, figures))
    if absent:
        parts.append(_not_given(absent, dossier))
    if left and not details:
        missing = quoted(in_the_askers_words(left, question.text))
        parts.append(f"The data says nothing more about it that mentions {missing}.")
    return "\n\n".join(parts)


def _details(figures: list[Figure], absent: list[str], left: list[str], dossier: Dossier) -> list[Fact]:
    """Sentences of the analysis on the figure *and* on the rest of the question ("comments that ask …")."""
    named = {s for figure in figures for s in stems(figure.name)} | {stem(word) for word in absent}
    hits = rank(left, dossier.analysis).hits
    return [hit.fact for hit in hits if hit.exact and named & set(stems(hit.fact.text))][:2]


def _given(text: str, figures: list[Figure]) -> str:
    if _ARITHMETIC.search(text) and len(figures) > 1:
        return f"I copy figures and do not calculate with them. {_listed(figures)}"
    if len(figures) > 1:
        return _listed(figures)
    figure = figures[0]
    if figure.is_count:
        return f"**{figure.value} {figure.name}**, according to the post's metrics."
    return f"The **{figure.name}** is **{figure.value}**, according to the post's metrics."


def _listed(figures: list[Figure]) -> str:
    return f"From the post's metrics:\n\n{figure_bullets(figures)}"


def _not_given(absent: list[str], dossier: Dossier) -> str:
    sentence = f"The post's metrics have no figure for {listed(absent)}."
    asked = {stem(word) for word in absent}
    mentions = [fact for fact in dossier.analysis if asked & set(stems(fact.text))][:2]
    if mentions:
        return f"{sentence} The analysis mentions it:\n\n{bullets(mentions, list(asked))}"
    if dossier.figures:
        sentence += f" They give {listed(figure.name for figure in dossier.figures)}."
    return sentence
