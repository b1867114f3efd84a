"""The chat as JSON, for programs: names as in the database, times in ISO 8601."""

import json
from dataclasses import asdict
from datetime import datetime

from worker.web.export.transcript import Transcript


def as_json(transcript: Transcript) -> str:
    return json.dumps(asdict(transcript), default=_time, ensure_ascii=False, indent=2) + "\n"


def _time(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in an export")
