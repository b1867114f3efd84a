"""Which links of an answer are kept, and the target that is shown beside them."""

from urllib.parse import SplitResult, unquote, urlsplit


def target(href: str) -> str | None:
    """The address, if it is http(s) with a host and without a user name, or mailto; else None.

    A relative link would point into the page that shows the answer; a user name can look like the host.
    """
    try:
        parts = urlsplit(href)
        if parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc:
            return href
    except ValueError:
        return None
    return href if parts.scheme == "mailto" and parts.path and not parts.netloc else None


def hidden_place(href: str, text: str) -> str:
    """The host or mailbox of a link; empty if its text begins with it."""
    parts = urlsplit(href)
    place = _mailbox(parts) if parts.scheme == "mailto" else parts.netloc
    shown = text.strip().lower().removeprefix(f"{parts.scheme}://").removeprefix("mailto:")
    if shown.startswith(place.lower()) and shown[len(place) :][:1] in ("", "/", "?", "#"):
        return ""
    return place


def _mailbox(parts: SplitResult) -> str:
    return unquote(parts.path)
