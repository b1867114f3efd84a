"""The fields of a post that can be asked for by name: creator, time, caption, hashtags and so on."""

import re

from .facts import Dossier
from .quoting import block_quote, bullets
from .vocabulary import stem_list
from .words import stem, stems

_PATTERNS = {
    "creator": re.compile(
        r"\bwho(?:'s| is| was)? (?:the )?"
        r"(?:made|makes|posted|created|creator|author|published|wrote|behind|person)\b|"
        r"\bwho(?:'s| is) (?:she|he|they|this|that)\b|\bcreator\b|\bauthor\b|\bwhose\b"
    ),
    "posted": re.compile(
        r"\bwhen\b|\bwhat (?:day|date|time)\b|\b(?:posting|publish\w*|upload\w*) (?:date|time|day)\b"
    ),
    "url": re.compile(r"\burl\b|\blink\b"),
    "platform": re.compile(r"\bplatform\b|\b(?:which|what) (?:social )?(?:network|site|app)\b"),
    "caption": re.compile(r"\bcaption\b|\btext of the post\b|\bpost text\b"),
    "hashtags": re.compile(r"\bhash ?tags?\b"),
    "media": re.compile(r"\bhow long\b|\bduration\b|\bmedia\b|\bresolution\b|\bhow many (?:slides|pages|images)\b"),
}
_ABSENT = {
    "creator": "its creator",
    "posted": "the time of posting",
    "url": "its URL",
    "platform": "its platform",
    "caption": "a caption",
    "media": "its media",
}
_HASHTAG = re.compile(r"#\w+")

FIELD_STEMS = stem_list("fields")


def fields_asked(text: str) -> list[str]:
    return [name for name, pattern in _PATTERNS.items() if pattern.search(text)]


def field_answer(name: str, dossier: Dossier) -> str:
    if name == "hashtags":
        return _hashtags(dossier)
    facts = dossier.of(name, "creator_context") if name == "creator" else dossier.of(name)
    if not facts:
        return f"The post's data does not give {_ABSENT[name]}."
    if name == "caption":
        return "\n\n".join(f"The caption, word for word:\n\n{block_quote(fact.text)}" for fact in facts)
    return f"From the post's data:\n\n{bullets(facts, [])}"


def _hashtags(dossier: Dossier) -> str:
    tags = [tag for fact in dossier.of("caption", "hashtags") for tag in _HASHTAG.findall(fact.text)]
    shown = " ".join(f"`{tag}`" for tag in dict.fromkeys(tags))
    answer = f"The hashtags in the caption: {shown}" if tags else "The caption has no hashtags."
    remarks = [f for f in dossier.analysis if _HASHTAG.search(f.text) or stem("hashtag") in stems(f.text)]
    return f"{answer}\n\nFrom the analysis:\n\n{bullets(remarks[:2], [])}" if remarks else answer
