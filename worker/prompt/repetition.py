"""Whether a text says the same thing again and again at its end: a model that does so does not
stop before its limit of tokens.

To the letter, but for the numbers of a list, which may grow.
"""

import re

# (characters that repeat one passage, the longest passage in them): three times in a row at least, and short ones for
# as long as nobody wants them. A refrain comes back after other lines, a table's rows differ, and a ruler of dashes,
# a drawing, or a row of zeros is shorter.
WINDOWS = ((3_200, 400), (6_000, 2_000))
LOOKS = 2
"""In so many characters as the longest passage has."""
TAIL = 48  # characters by which the passage before is found

_LIST_NUMBER = re.compile(r"^([ \t*#>-]*)\d+(?=[.)]\**\s)", re.MULTILINE)


class Repetition:
    """One for each answer; `is_in` is asked as the text grows, and seldom looks."""

    def __init__(self) -> None:
        self._next_look = [size for size, _ in WINDOWS]

    def is_in(self, text: str) -> bool:
        for number, (size, longest) in enumerate(WINDOWS):
            if len(text) >= self._next_look[number]:
                self._next_look[number] = len(text) + longest // LOOKS
                if _period(_unnumbered(text[-2 * size :])[-size:], size, longest):
                    return True
        return False


def said_once(text: str) -> str:
    """The text, with what it repeats at its end said once, and a mark. Its lists may lose their numbers then."""
    for size, longest in WINDOWS:
        if not _period(_unnumbered(text[-2 * size :])[-size:], size, longest):
            continue
        text = _unnumbered(text)
        period = _period(text[-size:], size, longest)
        begin = len(text) - size
        while begin > 0 and text[begin - 1] == text[begin - 1 + period]:
            begin -= 1
        return f"{text[: begin + period].rstrip()} …"
    return text


def _unnumbered(text: str) -> str:
    return _LIST_NUMBER.sub(r"\g<1>1", text)


def _period(window: str, size: int, longest: int) -> int:
    """After how many characters the whole window says the same again; 0: it does not, or is shorter than `size`."""
    if len(window) < size:
        return 0
    tail_at = at = size - TAIL
    while (at := window.rfind(window[tail_at:], tail_at - longest, at + TAIL - 1)) >= 0:
        period = tail_at - at
        if window.startswith(window[period:]):
            return period
    return 0
