"""The terms of a text: the stems of those words that tell one fact from another."""

from .vocabulary import word_list
from .words import stem, words

_NOT_TELLING = word_list("function_words") | word_list("subject_words")


def terms_of(text: str) -> list[str]:
    """In the order of the text, each once."""
    return list(dict.fromkeys(stem(word) for word in words(text) if word not in _NOT_TELLING))
