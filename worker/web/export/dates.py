"""Dates as text, in UTC, since the server does not know the reader's time zone."""

from datetime import UTC, datetime

Moment = datetime | str
"""The database's text if Python cannot represent the time: infinity, before year 1, after year 9999."""


def moment(value: str) -> Moment:
    """A time of the API, in UTC."""
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return value


def day(moment: Moment) -> str:
    """As in "7 March 2026"."""
    if isinstance(moment, str):
        return moment
    return f"{moment.day} {moment:%B %Y}"


def minute(moment: Moment) -> str:
    """As in "7 March 2026, 14:05 UTC"."""
    if isinstance(moment, str):
        return moment
    return f"{day(moment)}, {moment:%H:%M} UTC"
