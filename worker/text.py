"""Cleans a model's text piece by piece, so that Postgres, UTF-8 and JavaScript accept it."""

import re

# The same as in the table's CHECK: Unicode's white space, default-ignorable, control and format characters, and the
# Braille blank. Listed here, since Python has no classes for the first two, and its Unicode version varies.
BLANKS = (
    r"\u0001-\u0020\u007f-\u00a0\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2"
    r"\u115f-\u1160\u1680\u17b4-\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_VISIBLE = re.compile(rf"[^\0{BLANKS}]")
_LEAST_SIGNS = 3
"""Letters and digits."""


class Cleaner:
    """Removes NUL, which Postgres refuses, and lone surrogates, which UTF-8 cannot encode.

    A surrogate pair may be split between two pieces, so a first half at the end is kept for the next piece.
    """

    def __init__(self) -> None:
        self._held = ""

    def clean(self, piece: str) -> str:
        """The cleaned piece, without a first half at its end."""
        piece = self._held + piece
        self._held = ""
        if piece and "\ud800" <= piece[-1] <= "\udbff":
            piece, self._held = piece[:-1], piece[-1]
        return _clean(piece)

    def rest(self) -> str:
        """The rest of the text, at the end of the stream: a first half without a second, replaced."""
        held, self._held = self._held, ""
        return _clean(held)


class Unrepeated:
    """Removes earlier text from pieces that begin with all of it (only the last piece, or each).

    A piece of normal text practically never does so, except after a very short beginning: "ha", "ha ha".
    """

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0
        self._signs = 0

    def rest(self, piece: str) -> str:
        """The new part of this piece."""
        if self._signs >= _LEAST_SIGNS and len(piece) >= self._length:
            before = "".join(self._pieces)
            piece = piece.removeprefix(before)
        if self._signs < _LEAST_SIGNS:
            self._signs += sum(map(str.isalnum, piece))
        self._pieces.append(piece)
        self._length += len(piece)
        return piece


def is_blank(text: str) -> bool:
    """Whether the text has no visible characters: only spaces, line ends, NUL, and formatting characters."""
    return _VISIBLE.search(text) is None


def utf16_length(text: str) -> int:
    """Length in UTF-16 code units, like `length` of a JavaScript string."""
    return len(text) + sum(character > "\uffff" for character in text)


def _clean(text: str) -> str:
    text = text.replace("\x00", "")
    # Joins surrogate pairs that JSON delivered as halves, and replaces lone surrogates.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
