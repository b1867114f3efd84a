"""System instruction → facts: what the post and its analysis say, word for word.

The persona is never read: facts come only from the blocks `<post>` and `<analysis>`, whose names may end in a mark
of the chat (`<post-7f3a>`), or, where there are no such tags, from the first line that names a field of the post.
"""

import re
from dataclasses import dataclass, field

from .figures import Figure, read_figures

SECTIONS = {
    "quick takeaways": "takeaways",
    "key takeaways": "takeaways",
    "takeaways": "takeaways",
    "key insights": "insights",
    "insights": "insights",
    "creator context": "creator_context",
    "viral status": "viral_status",
    "frameworks": "frameworks",
}
SINGULAR = {"takeaways": "Quick takeaway", "insights": "Key insight", "frameworks": "Framework"}

_POST_FIELDS = {
    "platform": "platform",
    "creator": "creator",
    "author": "creator",
    "url": "url",
    "link": "url",
    "posted": "posted",
    "posted at": "posted",
    "published": "posted",
    "caption": "caption",
    "metrics": "metrics",
    "media": "media",
    "hashtags": "hashtags",
}
_TAG = re.compile(r"^\s*<(/?)([a-z_]*(?:post|analysis)[a-z_]*(?:-[0-9a-f]+)?)\b[^>]*>\s*$", re.I)
_NOTICE = re.compile(r"^(?:[A-Z][A-Za-z ]+ (?:shortened: these are|left out: too large)|Left out: \d)")
_LABEL = re.compile(r"^(?:#+\s*)?\**([A-Za-z][\w /'-]{1,40}?)\**:\**(?:\s+(.*))?$")
_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+(.*)$")
_NAMED = re.compile(r"^\**([^:\u2013\u2014]{2,60}?)\**\s*(?::\**|[\u2013\u2014])\s+(.+)$", re.S)


@dataclass(frozen=True)
class Fact:
    """One quotable text. `section` is a stable name, `label` is what a reader sees before the text."""

    section: str
    label: str
    text: str
    of_analysis: bool = False


@dataclass
class Dossier:
    """All that is known about the posts of one chat."""

    facts: list[Fact] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)

    def of(self, *sections: str) -> list[Fact]:
        return [fact for section in sections for fact in self.facts if fact.section == section]

    @property
    def analysis(self) -> list[Fact]:
        return [fact for fact in self.facts if fact.of_analysis]


def read_facts(system_instruction: str) -> Dossier:
    dossier = Dossier()
    for is_analysis, lines in _blocks(system_instruction):
        lines = [line for line in lines if not _NOTICE.match(line)]
        if is_analysis:
            _read_analysis(lines, dossier)
        else:
            _read_post(lines, dossier)
    return dossier


def _blocks(text: str) -> list[tuple[bool, list[str]]]:
    lines = text.splitlines()
    if not any(_TAG.match(line) for line in lines):
        return _untagged_blocks(lines)
    blocks: list[tuple[bool, list[str]]] = []
    inside = ""
    for line in lines:
        tag = _TAG.match(line)
        if tag and not inside and not tag[1]:
            inside = tag[2].lower()
            blocks.append(("analysis" in inside, []))
        # Only the block's own closing tag ends it: another one is text of the post.
        elif tag and tag[1] and tag[2].lower() == inside:
            inside = ""
        elif inside:
            blocks[-1][1].append(line)
    return blocks


def _untagged_blocks(lines: list[str]) -> list[tuple[bool, list[str]]]:
    start = next((n for n, line in enumerate(lines) if _label(line, _POST_FIELDS)), len(lines))
    middle = next((n for n in range(start, len(lines)) if _label(lines[n], SECTIONS)), len(lines))
    return [(False, lines[start:middle]), (True, lines[middle:])]


def _label(line: str, known: dict[str, str]) -> tuple[str, str] | None:
    match = _LABEL.match(line)
    if match and (name := known.get(match[1].strip().lower().replace("_", " "))):
        return name, (match[2] or "").strip()
    return None


def _read_post(lines: list[str], dossier: Dossier) -> None:
    fields: list[tuple[str, list[str]]] = []
    for line in lines:
        if known := _label(line, _POST_FIELDS):
            fields.append((known[0], [known[1]]))
        # A caption may hold lines that look like labels: only the fields known above end it.
        elif fields and (fields[-1][0] in ("caption", "metrics") or not _LABEL.match(line)):
            fields[-1][1].append(line)
        elif match := _LABEL.match(line):
            fields.append((match[1].strip().lower(), [match[2] or ""]))
    for name, parts in fields:
        text = "\n".join(parts).strip()
        if name == "metrics":
            dossier.figures.extend(read_figures(text))
        elif text:
            dossier.facts.append(Fact(name, name.capitalize(), text))


def _read_analysis(lines: list[str], dossier: Dossier) -> None:
    section, label = "analysis", "Analysis"
    for line in lines:
        bullet = _BULLET.match(line)
        heading = None if bullet else _LABEL.match(line)
        if heading:
            label = heading[1].strip()
            section = SECTIONS.get(label.lower().replace("_", " "), label.lower())
            _add(dossier, section, label, (heading[2] or "").strip())
        elif bullet:
            _add(dossier, section, label, bullet[1].strip())
        elif line.strip():
            _continue(dossier, section, label, line.strip())


def _add(dossier: Dossier, section: str, label: str, text: str) -> None:
    shown = SINGULAR.get(section, label)
    if section == "frameworks" and (named := _NAMED.match(text)):
        shown, text = named[1].strip(), named[2].strip()
    if text:
        dossier.facts.append(Fact(section, shown, text, of_analysis=True))


def _continue(dossier: Dossier, section: str, label: str, text: str) -> None:
    last = dossier.facts[-1] if dossier.facts else None
    if last is None or last.section != section or not last.of_analysis:
        _add(dossier, section, label, text)
    else:
        dossier.facts[-1] = Fact(last.section, last.label, f"{last.text}\n{text}", of_analysis=True)
