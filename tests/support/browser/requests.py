"""Requests of a page, as it sends them."""

from playwright.async_api import Request


def id_sent(request: Request) -> str:
    """Of the row that it inserts."""
    row = request.post_data_json
    assert row is not None, request.url
    return str(row["id"])
