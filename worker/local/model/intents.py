"""What kind of question this is, where its wording tells: small talk, work that cannot be done, a topic."""

import re
from enum import Enum

from .vocabulary import word_list
from .words import words


class Intent(Enum):
    GREETING = "greeting"
    THANKS = "thanks"
    CAPABILITIES = "capabilities"
    FOREIGN = "foreign"
    WRITE = "write"
    TRANSLATE = "translate"
    PREDICT = "predict"
    COMPARE = "compare"
    IMPROVE = "improve"
    STRENGTHS = "strengths"
    SUMMARY = "summary"
    OTHER = "other"


_COMMAND = (
    r"(?:^|[.!?;]\s+|,\s*(?:and |then )?)"
    r"(?:(?:please|now|and|then|ok|okay|so|hey|can you|could you|would you|will you|i need you to|"
    r"i want you to|i'd like you to|help me to|help me|let's)[\s,]+)*"
)
_KIND_OF_TEXT = (
    r"(?:captions?|hooks?|titles?|scripts?|hashtags?|ideas?|headlines?|posts?|tweets?|threads?|bios?|ctas?|poems?|"
    r"emails?|jokes?|story|stories)"
)
_LANGUAGE = r"(?:spanish|german|french|italian|portuguese|polish|dutch|english|chinese|japanese|hindi|arabic|russian)"
_PATTERNS = (
    (
        Intent.GREETING,
        r"^(?:hi+|hello|hey+|yo|hiya|greetings|good (?:morning|afternoon|evening))"
        r"(?:[\s,]+(?:there|again|postbro|bot|all|everyone|assistant|how are you))*\W*$",
    ),
    (
        Intent.THANKS,
        r"^(?:(?:many thanks|thanks|thank you|thx|ty|cheers|great|cool|perfect|nice|awesome|ok|okay|got it|"
        r"bye|goodbye|so much|a lot|very much|that helps|good|wow|super|one)[\s,.!]*)+$",
    ),
    (
        Intent.CAPABILITIES,
        r"\bwhat (?:can|could|do) you (?:do|answer|help|know)\b|\bwhat (?:can|could|should) i ask\b|"
        r"\b(?:who|what) are you\b|\bare you (?:a|an|the|real|human|gemini|ai|offline)\b|^\W*help\W*$|"
        r"\bhow (?:do you|does this chat) work\b|\bwhich model\b",
    ),
    (Intent.TRANSLATE, rf"\btranslat\w*|\b(?:in|into|to) {_LANGUAGE}\b"),
    (
        Intent.WRITE,
        rf"{_COMMAND}(?:write|draft|compose|rewrite|rephrase|reword|generate|brainstorm|paraphrase|create|invent|"
        r"turn (?:it|this)|make (?:me|up|a|an|another|some)\b|(?:give|tell|suggest|propose|show)\b[^?.]*?"
        r"\b(?:an?|some|few|another|\d+|two|three|five|ten|new|better|alternative|other|different)\b"
        rf"[^?.]*\b{_KIND_OF_TEXT}\b)|"
        rf"\b(?:better|new|alternative|different|catchier|stronger|another)\s+(?:\w+\s+)?{_KIND_OF_TEXT}\b",
    ),
    (
        Intent.PREDICT,
        r"\bpredict\w*|\bforecast\w*|^(?:and |but |so )?will\b|\b(?:is|are) (?:\w+ ){1,3}going to\b|"
        r"\bhow (?:many|much|well)\b[^?]*\b(?:will|would)\b",
    ),
    (
        Intent.COMPARE,
        r"\bcompar\w+|\b(?:than|versus|vs|against) "
        r"(?:my|our|other|another|previous|last|her|his|their|the other|competitor)|"
        r"\b(?:my|our) (?:other|previous|last|best) (?:posts?|videos?|reels?)",
    ),
    (
        Intent.SUMMARY,
        r"\bsummar\w+|\boverview\b|\brecap\b|\btl;?dr\b|\bgist\b|\b(?:main|key) points?\b|"
        r"\btell me about (?:this|it|the (?:post|video|reel|analysis))\b",
    ),
    (
        Intent.STRENGTHS,
        r"\bstrengths?\b|\bwhat(?:'s| is| was) (?:so )?(?:good|great|strong|special)\b|"
        r"\bwhat (?:has )?work(?:s|ed)\b|"
        r"\bwhy (?:did|does|has) (?:it|this|that|the \w+) work(?:ed)?\b|"
        r"\b(?:done|did|does|do) (?:right|best)\b|\bwell done\b",
    ),
    (
        Intent.IMPROVE,
        r"\bimprov\w+|\bbetter\b|\badvi[cs]e\b|\brecommend\w*|\bsuggest\w*|\btips?\b|\bfix\b|\boptimi[sz]\w+|"
        r"\benhance\w*|\bdifferently\b|\bnext time\b|\bshould (?:i|we|she|he|they|be|the)\b|\bweak\w*|"
        r"\bmistakes?\b|\b(?:went|go|is|was) wrong\b|\bwhat (?:to|could|can|should|would)(?: \w+)? change\w*|"
        r"\b(?:didn't|doesn't|not) work\b|"
        r"\bhow (?:can|do|could|to)\b[^?]*\b(?:more|grow|increase|boost|raise|get)\b",
    ),
)
_COMPILED = tuple((intent, re.compile(pattern)) for intent, pattern in _PATTERNS)

_ENGLISH = word_list("english")
_FOREIGN = word_list("foreign")


def intent_of(text: str) -> Intent:
    """`text` in lower case, with single spaces."""
    for intent, pattern in _COMPILED:
        if pattern.search(text):
            return intent
    return Intent.FOREIGN if _is_foreign(text) else Intent.OTHER


def _is_foreign(text: str) -> bool:
    letters = [character for character in text if character.isalpha()]
    if not letters:
        return False
    if sum(ord(character) > 0x24F for character in letters) > len(letters) / 2:
        return True
    surface = words(text)
    english = sum(word in _ENGLISH for word in surface)
    return sum(word in _FOREIGN for word in surface) > max(1, english)
