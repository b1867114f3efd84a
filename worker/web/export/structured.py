"""The chat as JSON, for programs: names as in the database, times in ISO 8601."""

import json
import re
from dataclasses import asdict
from datetime import datetime

from worker.web.export.transcript import Transcript

# Invisible characters that JSON allows in strings, but that control a terminal or an editor.
_UNSEEN = re.compile(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def as_json(transcript: Transcript) -> str:
    text = json.dumps(asdict(transcript), default=_time, ensure_ascii=False, indent=2) + "\n"
    return _UNSEEN.sub(lambda character: f"\\u{ord(character[0]):04x}", text)


def _time(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in an export")
