"""What pages complained about while nobody looked: uncaught errors and the console's, CSP violations among them."""

import re

from playwright.async_api import BrowserContext, ConsoleMessage, WebError


class PageComplained(AssertionError):
    """A page had errors that the test did not allow."""


class Guard:
    def __init__(self) -> None:
        self._complaints: list[str] = []
        self._allowed: list[str] = []

    def watch(self, context: BrowserContext) -> None:
        """All pages of the context, from now on."""
        context.on("weberror", self._take_error)
        context.on("console", self._take_message)

    def allow(self, pattern: str) -> None:
        """Complaints in which this regular expression is found are part of the test, before or after now."""
        self._allowed.append(pattern)

    def check(self) -> None:
        """Raise PageComplained, with all that was heard. Events are under way until the context is closed."""
        unexpected = [
            complaint
            for complaint in self._complaints
            if not any(re.search(pattern, complaint) for pattern in self._allowed)
        ]
        if unexpected:
            raise PageComplained("The page complained:\n" + "\n".join(unexpected))

    def _take_error(self, error: WebError) -> None:
        self._complaints.append(f"uncaught: {error.error.stack or error.error}")

    def _take_message(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            place = message.location
            self._complaints.append(f"console: {message.text} ({place.get('url')}:{place.get('lineNumber')})")
