"""Options of a channel of realtime-py."""

from typing import Any, cast

from realtime.types import RealtimeChannelOptions


def options(**config: Any) -> RealtimeChannelOptions:
    """Those that are given and no others: the library's type asks for all, though neither it nor Realtime does."""
    return cast(RealtimeChannelOptions, {"config": config})
