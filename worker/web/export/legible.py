"""Removes characters that are invisible, but control a terminal or an editor, from untrusted text."""

import dataclasses
import re
from typing import Any

_LINE_ENDS = re.compile(r"\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")  # ESC among them
_BIDI = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
_ENDED_BY = dict.fromkeys("\u202a\u202b\u202d\u202e", "\u202c") | dict.fromkeys("\u2066\u2067\u2068", "\u2069")


def legible(text: str) -> str:
    """The text with line feeds as the only line ends, without control characters other than tabs, and without
    bidirectional controls in lines where they are not balanced."""
    text = _CONTROLS.sub("", _LINE_ENDS.sub("\n", text))
    if not _BIDI.search(text):
        return text
    return "\n".join(line if _is_balanced(line) else _BIDI.sub("", line) for line in text.split("\n"))


def all_legible(value: Any) -> Any:
    """The same for every string in dataclasses, lists and dicts."""
    if isinstance(value, str):
        return legible(value)
    if isinstance(value, list | tuple):
        return type(value)(map(all_legible, value))
    if isinstance(value, dict):
        return {all_legible(name): all_legible(part) for name, part in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: all_legible(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **fields)
    return value


def _is_balanced(line: str) -> bool:
    open_: list[str] = []
    for control in _BIDI.findall(line):
        if control in _ENDED_BY:
            open_.append(_ENDED_BY[control])
        elif not open_ or open_.pop() != control:
            return False
    return not open_
