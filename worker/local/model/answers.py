"""One question and one system instruction → one answer in Markdown, from retrieval alone."""

import re
from dataclasses import replace

from . import fixed, lookup, topics
from .conversation import Mode, Question, Turn, read_question
from .facts import Dossier, Fact, read_facts
from .intents import Intent, intent_of
from .quoting import block_quote, bullets, in_the_askers_words, offer, quoted
from .retrieval import exact_first, rank
from .terms import terms_of

ENOUGH_COVERAGE = 0.6  # of the weight of a question's words: below, the answer names the words not found
LEAST_COVERAGE = 0.2
NEAR_THE_BEST = 0.5  # of the best score: facts below are left out
MOST_HITS = 4

_AND_WHY = re.compile(r",?\s+and why\W*$", re.IGNORECASE)


def answer(turns: list[Turn], system_instruction: str) -> str:
    question = read_question(turns)
    text = _answer(question, read_facts(system_instruction))
    if question.is_first and "GEMINI_API_KEY" not in text:
        text += f"\n\n{fixed.CLOSING_LINE}"
    return text


def _answer(question: Question, dossier: Dossier) -> str:
    if not question.text.strip():
        return f"{fixed.NO_QUESTION} {offer(dossier)}"
    if not dossier.facts and not dossier.figures:
        return fixed.NO_DATA
    if question.mode is Mode.ASK and (first := _AND_WHY.sub("", question.text)) != question.text:
        asked = replace(question, text=first)
        return f"{_answer(asked, dossier)}\n\n{_answer(replace(asked, mode=Mode.WHY), dossier)}"
    if question.mode is Mode.MORE:
        return topics.more(question, dossier)
    if question.mode is Mode.JUDGE:
        return topics.judgement(question, dossier)
    if question.mode is Mode.WHY:
        return topics.reasons(question, dossier) or _not_said(question, dossier)
    intent = intent_of(question.lower)
    return (
        fixed.small_talk(intent, dossier)
        or _declined(intent, question, dossier)
        or _looked_up(intent, question, dossier)
        or _retrieved(question, dossier)
        or _not_said(question, dossier)
    )


def _declined(intent: Intent, question: Question, dossier: Dossier) -> str | None:
    """A refusal, with what the data has on the matter all the same."""
    sentence = fixed.refusal(intent)
    if sentence is None:
        return None
    related = _related(intent, question, dossier)
    return f"{sentence}\n\n{related or offer(dossier)}"


def _related(intent: Intent, question: Question, dossier: Dossier) -> str | None:
    if intent is Intent.TRANSLATE and (captions := dossier.of("caption")):
        return f"The caption as it stands:\n\n{block_quote(captions[0].text)}"
    terms = terms_of(question.lower)
    if intent is Intent.COMPARE:
        terms = terms_of("usual median average usually")
    hits = [hit.fact for hit in rank(terms, dossier.analysis).hits][:2]
    if intent is Intent.PREDICT or not hits:
        return None
    return f"What the analysis does say:\n\n{bullets(hits, terms)}"


def _looked_up(intent: Intent, question: Question, dossier: Dossier) -> str | None:
    if intent is Intent.SUMMARY:
        return topics.summary(dossier)
    if intent is Intent.STRENGTHS:
        return topics.strengths(dossier)
    if found := topics.named_framework(question, dossier):
        return found
    if intent is Intent.IMPROVE:
        return topics.improvements(question, dossier)
    if re.match(r"(?:and |but |so )?(?:why|how come)\b", question.lower):
        return topics.reasons(question, dossier)
    return (
        lookup.performance(question, dossier)
        or lookup.direct_answer(question, dossier)
        or topics.section(question, dossier)
    )


def _retrieved(question: Question, dossier: Dossier) -> str | None:
    terms = terms_of(question.lower)
    figures = [Fact("metrics", figure.name, figure.value) for figure in dossier.figures]
    ranking = rank(terms, [*dossier.facts, *figures])
    # A figure is found by its own name only: "audience" must not bring up the followers.
    found = [hit for hit in exact_first(ranking.hits) if hit.exact or hit.fact.section != "metrics"]
    if not found or ranking.coverage < LEAST_COVERAGE:
        return None
    hits = [hit for hit in found if hit.score >= NEAR_THE_BEST * found[0].score]
    chosen = bullets([hit.fact for hit in hits[:MOST_HITS]], terms)
    if ranking.coverage >= ENOUGH_COVERAGE:
        source = "analysis" if all(hit.fact.of_analysis for hit in hits) else "post's data"
        return f"From the {source}:\n\n{chosen}"
    missing = in_the_askers_words(ranking.unknown, question.text)
    return f"The post's data does not mention {quoted(missing)}. The nearest it says:\n\n{chosen}"


def _not_said(question: Question, dossier: Dossier) -> str:
    unknown = rank(terms_of(question.lower), dossier.facts).unknown
    missing = in_the_askers_words(unknown, question.text)[:3]
    about = f"anything about {quoted(missing)}" if missing else "that"
    return f"The post's data does not say {about}. {offer(dossier)}"
