"""A model's text, made fit for Postgres, for UTF-8 and for JavaScript, piece by piece."""

import re

# The same as in the table's CHECK: what Unicode calls white space, ignorable, a control or a format, and the Braille
# blank. Written out, since Python knows neither of the first two, and each version of it has another Unicode.
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
    """Cleans a stream of pieces. Postgres refuses NUL; UTF-8 refuses half a surrogate pair.

    A pair may be cut between two pieces, so a first half at the end of one waits for the next.
    """

    def __init__(self) -> None:
        self._held = ""

    def clean(self, piece: str) -> str:
        piece = self._held + piece
        self._held = ""
        if piece and "\ud800" <= piece[-1] <= "\udbff":
            piece, self._held = piece[:-1], piece[-1]
        return _clean(piece)

    def rest(self) -> str:
        """What was held back and found no second half."""
        held, self._held = self._held, ""
        return _clean(held)


class Unrepeated:
    """A stream whose pieces begin with all that came before (the last one, or each of them) says it once.

    A piece that does so by itself is as good as impossible, but for a beginning of one or two: "ha", "ha ha".
    """

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0
        self._signs = 0

    def rest(self, piece: str) -> str:
        """What of this piece is new."""
        if self._signs >= _LEAST_SIGNS and len(piece) >= self._length:
            before = "".join(self._pieces)
            piece = piece.removeprefix(before)
        if self._signs < _LEAST_SIGNS:
            self._signs += sum(map(str.isalnum, piece))
        self._pieces.append(piece)
        self._length += len(piece)
        return piece


def is_blank(text: str) -> bool:
    """Whether there is nothing to see in it: spaces, line ends, NUL, characters that only format or have no width."""
    return _VISIBLE.search(text) is None


def utf16_length(text: str) -> int:
    """What a JavaScript string's `length` counts."""
    return len(text) + sum(character > "\uffff" for character in text)


def _clean(text: str) -> str:
    text = text.replace("\x00", "")
    # Joins the pairs that JSON delivered in halves, and replaces the halves that stand alone.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
