"""Questions about a topic of the analysis: what to improve, why it worked, its frameworks, its takeaways."""

import re

from .conversation import Mode, Question
from .facts import Dossier, Fact
from .quoting import bullets, in_the_askers_words, quoted
from .retrieval import rank, sentences
from .terms import terms_of
from .vocabulary import SECTION_STEMS, stem_list, word_list
from .words import stems

MOST_QUOTES = 5
MOST_REASONS = 3

_ADVICE = re.compile(
    r"\b(?:next time|should|could|would|consider|instead(?! of)|recommend\w*|improve\w*|missing)\b|"
    rf"(?:^|[:;]\s)(?:{'|'.join(sorted(word_list('imperatives')))})\b",
    re.I,
)
# What went badly is not explained by what the analysis praises.
_FAILURE = re.compile(r"\bnot\b|n't\b|\b(?:few|low|bad|badly|poorly|flop\w*|fail\w*|under\w+)\b")
_IMPROVEMENT_STEMS = stem_list("improvement")
_VAGUE_STEMS = stem_list("section_vague")
_REASONS = ("viral_status", "takeaways", "frameworks", "insights")


def improvements(question: Question, dossier: Dossier) -> str | None:
    advice = [fact for fact in dossier.analysis if gives_advice(fact)]
    terms = [s for s in terms_of(question.lower) if s not in _IMPROVEMENT_STEMS]
    ranking = rank(terms, dossier.analysis)
    on_topic = [hit.fact for hit in ranking.hits][:MOST_QUOTES]
    if terms and on_topic and ranking.coverage > 0.5:
        on_topic.sort(key=lambda fact: not gives_advice(fact))
        lead = "From the analysis:" if gives_advice(on_topic[0]) else "The analysis gives no advice on that; it says:"
        return f"{lead}\n\n{bullets(on_topic[:3], terms)}"
    if not dossier.analysis:
        return None
    praise = [fact for fact in dossier.of("frameworks", "takeaways") if not gives_advice(fact)]
    if not advice:
        every = dossier.of("takeaways", "insights")[:MOST_QUOTES] + dossier.of("frameworks")[:2]
        return f"The analysis gives no direct advice. What it credits or blames:\n\n{bullets(every, [])}"
    parts = [f"From the analysis, what to change next time:\n\n{bullets(advice[:MOST_QUOTES], [])}"]
    if terms and not on_topic:
        missing = quoted(in_the_askers_words(terms[:3], question.text))
        parts.insert(0, f"The analysis does not mention {missing}. Its advice in general:")
    if praise:
        parts.append(f"And what worked, so keep it:\n\n{bullets(praise[:2], [])}")
    return "\n\n".join(parts)


def strengths(dossier: Dossier) -> str | None:
    praise = [fact for fact in dossier.of("takeaways", "frameworks", "insights") if not gives_advice(fact)]
    return f"From the analysis, what worked:\n\n{bullets(praise[:MOST_QUOTES], [])}" if praise else None


def gives_advice(fact: Fact) -> bool:
    return any(_ADVICE.search(sentence) for sentence in sentences(fact.text))


def summary(dossier: Dossier) -> str | None:
    facts = dossier.of("viral_status", "takeaways") or dossier.analysis[:MOST_QUOTES]
    return f"In short, from the analysis:\n\n{bullets(facts[:MOST_QUOTES], [])}" if facts else None


def named_framework(question: Question, dossier: Dossier) -> str | None:
    asked = set(stems(question.lower))
    named = [fact for fact in dossier.of("frameworks") if set(stems(fact.label)) <= asked]
    return f"From the analysis:\n\n{bullets(named, terms_of(question.lower))}" if named else None


def section(question: Question, dossier: Dossier) -> str | None:
    """A whole section where it is named, or those of its facts that the rest of the question is about."""
    terms = terms_of(question.lower)
    for name, names in SECTION_STEMS.items():
        facts = dossier.of(name)
        if not facts or not names & set(terms):
            continue
        rest = [s for s in terms if s not in names and s not in _VAGUE_STEMS]
        ranking = rank(rest, facts)
        if rest and not ranking.hits:
            return None
        chosen = [hit.fact for hit in ranking.hits] or facts
        return f"From the analysis:\n\n{bullets(chosen[:MOST_QUOTES], rest)}"
    return None


def reasons(question: Question, dossier: Dossier) -> str | None:
    """For "why": what the analysis says of the cause, the matching facts first."""
    terms = [s for s in terms_of(question.lower) if s not in _VAGUE_STEMS and s not in SECTION_STEMS["viral_status"]]
    candidates = dossier.of(*_REASONS) or dossier.analysis
    ranking = rank(terms, candidates)
    if terms and ranking.coverage < 0.5 and question.mode is Mode.ASK:
        return None
    chosen = [hit.fact for hit in sorted(ranking.hits, key=lambda hit: not hit.exact)]
    chosen = chosen or _general_reasons(question, dossier)
    if question.mode is Mode.WHY:
        chosen = [fact for fact in chosen if not question.was_said(fact)]
    if not chosen:
        return "The analysis gives no further reason."
    chosen = chosen[:MOST_REASONS]
    return f"What the analysis says about the reasons:\n\n{bullets(chosen, terms)}"


def _general_reasons(question: Question, dossier: Dossier) -> list[Fact]:
    status = dossier.of("viral_status")
    if _FAILURE.search(question.lower) or any(_FAILURE.match(fact.text.lower()) for fact in status):
        return status + [fact for fact in dossier.analysis if gives_advice(fact)]
    return status + dossier.of("frameworks", "takeaways")


def more(question: Question, dossier: Dossier) -> str:
    """What was not said yet: on the earlier question first, then from the rest of the analysis."""
    unsaid = [fact for fact in dossier.analysis if not question.was_said(fact)]
    if not unsaid:
        return "That is all that the analysis says."
    terms = terms_of(question.lower)
    on_topic = [hit.fact for hit in rank(terms, unsaid).hits][:3]
    if on_topic:
        return f"The analysis also says:\n\n{bullets(on_topic, terms)}"
    return f"Nothing more on that. The analysis also says:\n\n{bullets(unsaid[:3], terms)}"


def judgement(question: Question, dossier: Dossier) -> str:
    terms = terms_of(question.lower)
    hits = [hit.fact for hit in rank(terms, dossier.analysis).hits][:2]
    if not hits:
        return "The analysis does not judge that, and I only quote it."
    return f"I do not judge, I only quote. The analysis says:\n\n{bullets(hits, terms)}"
