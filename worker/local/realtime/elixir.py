"""Values in Elixir's notation, as in the real server's messages."""

from collections.abc import Mapping
from typing import Any

from worker.local.realtime import json_text


def inspect(value: Any) -> str:
    """A value from JSON. Keys are sorted, as in Erlang's maps of up to 32 keys."""
    if isinstance(value, Mapping):
        pairs = (f"{inspect(key)} => {inspect(value[key])}" for key in sorted(value))
        return f"%{{{', '.join(pairs)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(inspect, value))}]"
    return "nil" if value is None else json_text.dumps(value)
