"""Detects that a text repeats one passage at its end: a model that does so does not stop before its token limit.

The repetitions must be identical, except for the numbers of list items.
"""

import re

# (characters at the end that must repeat one passage, length of the longest passage): at least three times in a row,
# and short passages for much longer than normal text does. A refrain returns after other lines, rows of a table
# differ, and a line of dashes, a drawing or a row of zeros is shorter.
WINDOWS = ((3_200, 400), (6_000, 2_000))
LOOKS = 2
"""Checks within as many new characters as the longest passage has."""
TAIL = 48  # characters at the end, by which the previous passage is found

_LIST_NUMBER = re.compile(r"^([ \t*#>-]*)\d+(?=[.)]\**\s)", re.MULTILINE)


class Repetition:
    """One object for each answer; call `is_in` as the text grows: it checks only after many new characters."""

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
    """The text with the repeated passage at its end once, and "…". Lists may lose their numbers then."""
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
    """The length of the passage that the whole window repeats; 0: it does not, or is shorter than `size`."""
    if len(window) < size:
        return 0
    tail_at = at = size - TAIL
    while (at := window.rfind(window[tail_at:], tail_at - longest, at + TAIL - 1)) >= 0:
        period = tail_at - at
        if window.startswith(window[period:]):
            return period
    return 0
