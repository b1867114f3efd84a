"""Answers that need no facts: small talk, and plain words about what an offline model cannot do."""

from .facts import Dossier
from .intents import Intent
from .quoting import offer

CLOSING_LINE = (
    "*I am the offline model: I quote this post and its analysis and write nothing of my own. "
    "Set `GEMINI_API_KEY` for real answers.*"
)
NO_DATA = "I was given no post and no analysis, so there is nothing I can quote."
NO_QUESTION = "Please ask a question about the post."

_CANNOT = {
    Intent.WRITE: "write new text",
    Intent.TRANSLATE: "translate",
    Intent.PREDICT: "predict what will happen",
    Intent.COMPARE: "compare it with other posts",
}


def small_talk(intent: Intent, dossier: Dossier) -> str | None:
    if intent is Intent.GREETING:
        return f"Hello! {offer(dossier)}"
    if intent is Intent.THANKS:
        return "You are welcome. Ask on if you like."
    if intent is Intent.CAPABILITIES:
        return f"I look up what the data of this post says, and quote it. {offer(dossier)}"
    if intent is Intent.FOREIGN:
        return f"I only understand questions in English. {offer(dossier)}"
    return None


def refusal(intent: Intent) -> str | None:
    """One sentence on what is asked in vain, and what would make it possible; None if it can be tried."""
    if intent not in _CANNOT:
        return None
    return (
        f"I cannot {_CANNOT[intent]}: I am the offline stand-in, which only quotes the data of this post. "
        "Set `GEMINI_API_KEY` for real answers."
    )
