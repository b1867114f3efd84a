"""Answers a question with figures and sentences of the post and its analysis, copied from the system instruction.

A question is split into clauses ("how many likes, and why?"). For each clause, the first rule that finds something
gives the answer. If no rule does, the answer is one sentence that says so. Only numbers and dates are reformatted, as
on the page.
"""

import re
from dataclasses import dataclass
from datetime import date

from .languages import ENGLISH, FREQUENT, sentence
from .wire import Turn

ANALYSIS = ("Viral status", "Quick takeaways", "Frameworks", "Key insights")
# The tags in the prompt end in a hash; further lines of a field are indented, or are items of a list.
_BLOCK = re.compile(r"^<((?:post|analysis)(?:-\w+)?)>\n(.*?)^</\1>$", re.M | re.S)
_FIELD = re.compile(r"^([A-Z][A-Za-z ]+): ?(.*(?:\n(?: {4}|- ).*)*)", re.M)
_LARGE_NUMBER = re.compile(r"(?<=: )[1-9]\d{3,15}(?=(?:\.\d+)?(?:;|$))")
_LENGTH = re.compile(r"(?:\b|_)(seconds|minutes|pages|slides) (\d[\d.]*)")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d).*\+00:00")
_ENDING = re.compile(r"(?<=\w{3})(?:ing|ed|es|s|e)$")
_ADVICE = re.compile(
    r"(?i)\b(?:next time|should|could|would|instead(?! of)|missing|improve\w*)\b|(?:^|[.:;] )(?:add|answer|ask|cut|"
    r"drop|end|have|keep|move|pin|post|publish|put|remove|replace|show|shorten|split|start|test|try|use)\b"
)
_CANNOT = re.compile(
    r"\b(?:(?:re)?write (?:me|an?|the|it|this|some|new)|rephrase|draft|generate|create (?:an?|some|new)|brainstorm|"
    r"translat\w+|compar\w+|vs|calculat\w+|ratio|sum of|difference between|per (?:view|like|follower)|my other"
    r"|predict\w*|(?:suggest|give|better|new|another)\b.* (?:captions?|hashtags?|titles?|hooks?|ideas?))\b|^will\b"
)
_IMPROVE = (
    r"improve|better|advice|suggest|recommend|\btips?\b|next time|should|weak|wrong|mistake|change|how c(an|ould) "
)
_AND = re.compile(r",?\s+and\s+(?=(?:why|how|what|which|who|published|length)\b)")
_BARE_WHY = re.compile(r"\W*(?:and |but |so )?(?:why|how come)(?: (?:is|was|did|does|so|that|this|it))*\W*")
_PLACES = {"first": 0, "second": 1, "third": 2, "fourth": 3, "fifth": 4, "last": -1}
_PLACE = re.compile(rf"(?:^|\bthe )({'|'.join(_PLACES)})(?: (?:one|point|item|tip|reason|takeaway|insight)\b|\W*$)")
_HOW_MANY = re.compile(r"\bhow (?:many|much)\b|\bnumber of\b|\bcount\b|\btotal\b")
_NAMING = re.compile(r"\bwhat(?:'s| is| was| are| were| about)\b|\bdid it (?:get|have)\b|^(?:and|show|give)\b")
# Words of questions → the words of the data.
_NAMES = {
    r"^who\b": "creator",
    r"\b(?:perform|success)\w*": "viral",
    r"\b(?:figures|stats|statistics)\b": "metrics",
    r"\bwhen (?:is|was|were|did)\b|^(?:and )?when\b|\b(?:what|which) (?:day|date|time)\b": "published",
    r"\bhow long\b|\bduration\b": "length",
    r"\bhashtags?\b": "caption",
}


def _stems(text: str) -> frozenset[str]:
    """The words of a text without their endings, so that "saves" and "saved" are equal."""
    return frozenset(_ENDING.sub("", word) for word in re.findall(r"[^\W_]+", text.casefold()))


_OF_FIGURES = _stems("average count number rate total")
_OF_QUESTIONS = _stems(FREQUENT)


@dataclass(frozen=True)
class Fact:
    """A text to copy. `section`: its label in the prompt; figures, frameworks and single fields have a name."""

    section: str
    text: str
    name: str = ""

    @property
    def bullet(self) -> str:
        text = " / ".join(line for line in self.text.splitlines() if line)
        return f"- **{self.name}:** {text}" if self.name else f"- {text}"

    @property
    def stems(self) -> frozenset[str]:
        return _stems(f"{self.section} {self.name} {self.text}")


@dataclass(frozen=True)
class Clause:
    """A part of the question, in lower case. `said`: the earlier answers if the clause is a follow-up, else empty."""

    text: str
    facts: list[Fact]
    said: str = ""

    @property
    def topic(self) -> frozenset[str]:
        return _stems(self.text) - _OF_QUESTIONS

    def of(self, *sections: str) -> list[Fact]:
        return [fact for section in sections for fact in self.facts if fact.section == section]


def answer(turns: list[Turn], system_instruction: str) -> str:
    """The answer to the last turn, as Markdown."""
    facts = read_facts(system_instruction)
    *earlier, question = [_plain(turn.text) for turn in turns if turn.role == "user"] or [""]
    said = ["", *(turn.text for turn in turns if turn.role == "model")]
    if sentence(question) != ENGLISH or _CANNOT.search(question):
        return sentence(question)
    if (place := _PLACE.search(question)) and (item := _item(_PLACES[place[1]], said[-1].splitlines(), facts)):
        return item
    before = ["", *(text for text in earlier if not (_BARE_WHY.fullmatch(text) or _PLACE.search(text)))]
    found = []
    for text in _AND.split(question):
        is_follow_up = _BARE_WHY.fullmatch(text)
        clause = Clause(f"why {before[-1]}", facts, "\n".join(said)) if is_follow_up else Clause(text, facts)
        found += [answer for asks, rule in _RULES if re.search(asks, clause.text) and (answer := rule(clause))][:1]
        before.append(text)
    return "\n\n".join(found) or ENGLISH


def _plain(question: str) -> str:
    text = " ".join(question.casefold().replace("\u2019", "'").split())
    for asks, name in _NAMES.items():
        text = re.sub(asks, name, text)
    return text


def read_facts(system_instruction: str) -> list[Fact]:
    """The facts between the tags of posts and analyses, without the persona around them."""
    fields = [field for _, block in _BLOCK.findall(system_instruction) for field in _FIELD.findall(block)]
    return [fact for section, value in fields for fact in _facts(section, value)]


def _facts(section: str, value: str) -> list[Fact]:
    if section == "Metrics":
        pairs = [pair.partition(": ") for pair in _LARGE_NUMBER.sub(lambda n: f"{int(n[0]):,}", value).split("; ")]
        return [Fact(section, figure, name.replace("_", " ")) for name, colon, figure in pairs if colon]
    if section == "Media":
        return [Fact(section, f"{number} {unit}", "Length") for unit, number in _LENGTH.findall(value)]
    if section == "Posted" and (at := _MOMENT.fullmatch(value)):
        day = date.fromisoformat(at[1])
        return [Fact(section, f"{day:%A}, {day.day} {day:%B %Y}, at {at[2]} UTC", "Published")]
    if value.startswith("\n- "):
        items = value.split("\n- ")[1:]
        named = [item.partition(": ") if section == "Frameworks" else ("", "", item) for item in items]
        return [Fact(section, text or name, name) for name, _, text in named]
    is_notice = section.casefold().endswith(("shortened", "left out"))
    return [] if is_notice else [Fact(section, value.replace("\n    ", "\n"), section)]


def _about(topic: frozenset[str], facts: list[Fact]) -> list[Fact]:
    """Facts with at least half of the topic's words, those with the most first."""
    hits = [fact for fact in facts if topic & fact.stems and 2 * len(topic & fact.stems) >= len(topic)]
    return sorted(hits, key=lambda fact: -len(topic & fact.stems))


def _listed(lead: str, facts: list[Fact], most: int = 5) -> str:
    return "\n".join([f"{lead}\n", *(fact.bullet for fact in facts[:most])]) if facts else ""


def _item(place: int, lines: list[str], facts: list[Fact]) -> str:
    """The fact at this place in the last answer's list, and the two facts that share most words with it."""
    items = [fact for line in lines for fact in facts if fact.bullet == line]
    if not -len(items) <= place < len(items):
        return ""
    topic = items[place].stems - _OF_QUESTIONS
    others = [fact for fact in facts if fact.section in ANALYSIS and fact != items[place]]
    others.sort(key=lambda fact: -len(topic & fact.stems))
    return f"{items[place].bullet}\n\n{_listed('The analysis also says:', others, 2)}".strip()


def _frameworks_by_name(clause: Clause) -> str:
    named = [fact for fact in clause.of("Frameworks") if frozenset() < _stems(fact.name) <= _stems(clause.text)]
    return _listed("From the analysis:", named)


def _summary(clause: Clause) -> str:
    return _listed("The analysis in short:", clause.of("Viral status", "Quick takeaways") or clause.of(*ANALYSIS))


def _reasons(clause: Clause) -> str:
    analysis = clause.of(*ANALYSIS)
    on_topic = _about(clause.topic, analysis)
    if clause.topic.difference(*(fact.stems for fact in clause.of("Metrics"))) and not on_topic and not clause.said:
        return ""
    reasons = list(dict.fromkeys([*on_topic, *analysis]))
    unsaid = [fact for fact in reasons if fact.text not in clause.said]
    return _listed("What the analysis says about the reasons:", unsaid or reasons, 3)


def _improvements(clause: Clause) -> str:
    analysis = clause.of("Quick takeaways", "Key insights", "Frameworks")
    advice = [fact for fact in analysis if _ADVICE.search(fact.text)]
    if not advice:
        return _listed("The analysis gives no direct advice. It says:", analysis)
    return _listed("From the analysis, what to change next time:", _about(clause.topic, advice) or advice)


def _figures(clause: Clause) -> str:
    keys = {figure: (_stems(figure.name) - _OF_FIGURES) or _stems(figure.name) for figure in clause.of("Metrics")}
    words = _stems(clause.text)
    named = [figure for figure, key in keys.items() if frozenset() < key <= words]
    named = [figure for figure in named if not any(keys[figure] < keys[other] for other in named)]
    asked = list(keys) if "metric" in words else named
    rest = _about(clause.topic.difference(_OF_FIGURES, *(keys[figure] for figure in asked)), clause.of(*ANALYSIS))
    names_it = _NAMING.search(clause.text) or len(clause.text.split()) <= 4
    if not asked or not (_HOW_MANY.search(clause.text) or (names_it and not rest)):
        return ""
    details = [fact for fact in rest if any(keys[figure] & fact.stems for figure in asked)]
    is_count = len(asked) == 1 and re.fullmatch(r"[\d.,]+", asked[0].text)
    count = f"**{asked[0].text} {asked[0].name}**, according to the post's metrics."
    figures = count if is_count else _listed("From the post's metrics:", asked, len(asked))
    return "\n\n".join(filter(None, [_listed("From the analysis:", details, 2), figures]))


def _anything(clause: Clause) -> str:
    facts = [fact for fact in clause.facts if fact.section != "Metrics"]  # metrics are found by their names only
    return _listed("From the data of this post:", _about(clause.topic, facts))


_RULES = (
    ("", _frameworks_by_name),
    (r"\bsum\b.*\bup\b|\bsummar|\boverview\b|\brecap\b|\btl;?dr\b|\bgist\b", _summary),
    (r"\b(?:why|how come|reasons?|strengths?|what (?:has |have )?(?:worked|went well))\b", _reasons),
    (_IMPROVE, _improvements),
    ("", _figures),
    ("", _anything),
)
