"""How facts and figures are shown: word for word, each with where it comes from."""

from collections.abc import Iterable

from .facts import Dossier, Fact
from .figures import Figure
from .retrieval import excerpt
from .words import stem, words


def bullets(facts: Iterable[Fact], terms: list[str]) -> str:
    return "\n".join(f"- **{fact.label}:** {_in_one_line(excerpt(fact.text, terms))}" for fact in facts)


def figure_bullets(figures: Iterable[Figure]) -> str:
    return "\n".join(f"- **{figure.name}:** {figure.value}" for figure in figures)


def block_quote(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


MOST_NAMES = 6


def listed(names: Iterable[str]) -> str:
    """One, two and three."""
    every = list(names)
    return every[0] if len(every) == 1 else f"{', '.join(every[:-1])} and {every[-1]}"


def quoted(stems_or_words: Iterable[str]) -> str:
    return listed(f"“{word}”" for word in stems_or_words)


def in_the_askers_words(wanted: list[str], text: str) -> list[str]:
    """Stems as they were written in a question, for naming them in its answer."""
    written = {stem(word): word for word in reversed(words(text))}
    return [written.get(term, term) for term in wanted]


def offer(dossier: Dossier) -> str:
    """One sentence on what can be asked about this post."""
    topics = []
    if dossier.figures:
        topics.append(f"its figures ({', '.join(figure.name for figure in dossier.figures[:MOST_NAMES])})")
    sections = {fact.section for fact in dossier.facts}
    topics += [words for section, words in _TOPICS.items() if section in sections]
    if frameworks := dossier.of("frameworks"):
        topics.append(f"its frameworks ({', '.join(fact.label for fact in frameworks[:MOST_NAMES])})")
    return f"You can ask about {'; '.join(topics)}." if topics else "I was given no post to quote from."


_TOPICS = {
    "caption": "the caption",
    "creator_context": "the creator",
    "viral_status": "how far it travelled and why",
    "takeaways": "what to improve",
    "insights": "the key insights",
}


def _in_one_line(text: str) -> str:
    # A list item ends at a line break; what was on two lines stays in one item, the break shown.
    return " / ".join(line.strip() for line in text.splitlines() if line.strip())
