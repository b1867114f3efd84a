"""The types of what the fixtures of tests/acceptance/browser hand out."""

from collections.abc import Awaitable, Callable

from playwright.async_api import BrowserContext

from tests.support.browser.chat_page import ChatPage, Member

OpenContext = Callable[..., Awaitable[BrowserContext]]

MakeMember = Callable[[], Member]

MakePage = Callable[..., Awaitable[ChatPage]]
