"""The turns of a request, and what a short follow-up such as "why?" refers to."""

import re
from dataclasses import dataclass, replace
from enum import Enum

from .facts import Fact

_LEAD_IN = r"(?:(?:and|but|so|ok|okay|please|yes|hm+|well|can you|could you|would you)[\s,]+)*"
_IT = r"(?:it|that|this|those|them|these)"
_MORE = re.compile(
    rf"^{_LEAD_IN}(?:(?:tell me|say|give me|show me|explain|go into|is there|are there|what)\s+)?"
    r"(?:some |a bit |a little |in )?"
    r"(?:more|further|elaborate|go on|continue|keep going|anything else|something else|else|explain|details?|"
    r"go deeper)"
    rf"(?:\s+(?:more|further|details?|please|on|about|of|in|{_IT}))*\W*$"
)
_WHY = re.compile(
    rf"^{_LEAD_IN}(?:why|how come|how so)(?:\s+(?:is|was|are|were|did|does|do|so|many|few|much|not|happen|"
    rf"though|exactly|{_IT}))*\W*$"
)
_JUDGE = re.compile(
    rf"^{_LEAD_IN}(?:is|was|are|were)\s+{_IT}\s+(?:a\s+|any\s+|really\s+|very\s+|considered\s+)*"
    r"(?:good|bad|high|low|lot|much|many|few|normal|typical|average|usual|impressive|strong|weak|enough)\W*.{0,24}$"
)
_SAID_BEGINNING = 60  # characters of a fact by which an earlier answer is seen to have quoted it


class Mode(Enum):
    ASK = "ask"
    MORE = "more"
    WHY = "why"
    JUDGE = "judge"


@dataclass(frozen=True)
class Turn:
    role: str
    text: str


@dataclass(frozen=True)
class Question:
    """What is asked. `said` is all that was answered before; `mode` how it follows an earlier question."""

    text: str
    mode: Mode = Mode.ASK
    said: str = ""
    is_first: bool = True

    @property
    def lower(self) -> str:
        return " ".join(self.text.casefold().replace("\u2019", "'").split())

    def was_said(self, fact: Fact) -> bool:
        return fact.text.splitlines()[0][:_SAID_BEGINNING] in self.said


def read_question(turns: list[Turn]) -> Question:
    """The last user turn; a follow-up becomes the question it follows, with its mode."""
    asked = [turn.text for turn in turns if turn.role != "model"]
    answered = [turn.text for turn in turns if turn.role == "model"]
    question = Question(asked[-1] if asked else "", said="\n".join(answered), is_first=not answered)
    mode = _mode(question.lower)
    if mode is Mode.ASK:
        return question
    earlier = [text for text in asked[:-1] if _mode(Question(text).lower) is Mode.ASK]
    return replace(question, text=earlier[-1] if earlier else "", mode=mode)


def _mode(text: str) -> Mode:
    if _WHY.match(text):
        return Mode.WHY
    if _MORE.match(text):
        return Mode.MORE
    if _JUDGE.match(text):
        return Mode.JUDGE
    return Mode.ASK
