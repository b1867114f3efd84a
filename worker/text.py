"""A model's text, made fit for Postgres, for UTF-8 and for JavaScript, piece by piece."""

import unicodedata

_NOTHING_TO_SEE = {"Cc", "Cf", "Zl", "Zp", "Zs"}
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
    """Whether there is nothing to see in it: spaces, line ends, NUL, characters that only format."""
    return all(unicodedata.category(character) in _NOTHING_TO_SEE for character in text)


def utf16_length(text: str) -> int:
    """What a JavaScript string's `length` counts."""
    return len(text) + sum(character > "\uffff" for character in text)


def _clean(text: str) -> str:
    text = text.replace("\x00", "")
    # Joins the pairs that JSON delivered in halves, and replaces the halves that stand alone.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
