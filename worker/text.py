"""A model's text, made fit for Postgres, for UTF-8 and for JavaScript, piece by piece."""


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


def utf16_length(text: str) -> int:
    """What a JavaScript string's `length` counts."""
    return len(text) + sum(character > "\uffff" for character in text)


def _clean(text: str) -> str:
    text = text.replace("\x00", "")
    # Joins the pairs that JSON delivered in halves, and replaces the halves that stand alone.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
