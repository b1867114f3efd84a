"""Dates for a reader, in UTC: the server does not know the reader's zone."""

from datetime import UTC, datetime

Moment = datetime | str
"""A text, as the database has it, where Python knows no such time: infinity, before Christ, after the year 9999."""


def moment(value: str) -> Moment:
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return value


def day(moment: Moment) -> str:
    if isinstance(moment, str):
        return moment
    return f"{moment.day} {moment:%B %Y}"


def minute(moment: Moment) -> str:
    if isinstance(moment, str):
        return moment
    return f"{day(moment)}, {moment:%H:%M} UTC"
