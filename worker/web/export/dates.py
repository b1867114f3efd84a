"""Dates for a reader, in UTC: the server does not know the reader's zone."""

from datetime import datetime


def day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"


def minute(moment: datetime) -> str:
    return f"{day(moment)}, {moment:%H:%M} UTC"
