"""A browser for the whole run, and fresh, guarded contexts for each test.

All tests of this folder run on the session's event loop, on which the browser lives. Fixtures of the other
acceptance tests that are async (`client`, `listener`) have loops of their own: use `people` instead.
"""

from collections.abc import AsyncIterator, Generator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.support.browser import chromium
from tests.support.browser.chat_page import ChatPage, Database, Member, sign_up
from tests.support.browser.diary import Diary
from tests.support.browser.fixtures import MakeMember, MakePage, OpenContext
from tests.support.browser.guard import Guard
from tests.support.browser.wire import Ear, Wire
from tests.support.people import People
from worker.local.stack import Stack

TIMEOUT_MS = 10_000
expect.set_options(timeout=TIMEOUT_MS)


_failed = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[_failed] = report.failed
    return report


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await chromium.launch(playwright)
        yield launched
        await launched.close()


@pytest.fixture
def guard() -> Guard:
    """Fails the test at its end for errors of any page. `guard.allow(regex)` lets some of them be."""
    return Guard()


@pytest_asyncio.fixture(loop_scope="session")
async def open_context(
    browser: Browser, guard: Guard, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[OpenContext]:
    """`await open_context(**options)`: another person's browser. Options are those of Playwright's new_context."""
    contexts: list[BrowserContext] = []

    async def opened(**options: Any) -> BrowserContext:
        context = await browser.new_context(**{"locale": "en-US", "timezone_id": "UTC", **options})
        context.set_default_timeout(TIMEOUT_MS)
        guard.watch(context)
        contexts.append(context)
        return context

    yield opened
    if request.node.stash.get(_failed, False):
        await _save_screenshots(contexts, tmp_path)
    for context in contexts:
        await context.close()
    guard.check()


@pytest_asyncio.fixture(loop_scope="session")
async def context(open_context: OpenContext) -> BrowserContext:
    return await open_context()


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> Page:
    return await context.new_page()


@pytest.fixture
def make_member(worker: Stack, people: People) -> MakeMember:
    """Somebody new, with one analysed post and nothing asked yet."""
    return lambda: sign_up(worker, people)


@pytest.fixture
def member(make_member: MakeMember) -> Member:
    return make_member()


@pytest.fixture
def make_page(worker: Stack, open_context: OpenContext, database: Database) -> MakePage:
    """`await make_page(member, context=…, **options)`: another tab, in a browser of its own unless one is given."""

    async def made(member: Member, context: BrowserContext | None = None, **options: object) -> ChatPage:
        page = await (context or await open_context(**options)).new_page()
        return ChatPage(page, worker.environment["WEB_URL"], member, database)

    return made


@pytest_asyncio.fixture(loop_scope="session")
async def chat_page(make_page: MakePage, member: Member, context: BrowserContext) -> ChatPage:
    """Signed in through the form, with the empty chat about the member's post open."""
    opened = await make_page(member, context)
    await opened.sign_in_to_chat()
    return opened


@pytest_asyncio.fixture(loop_scope="session")
async def tab(make_page: MakePage, member: Member, context: BrowserContext) -> ChatPage:
    """Of the member's, and not opened yet: what is to watch it comes first (`diary`, `ear`, `wire`)."""
    return await make_page(member, context)


@pytest_asyncio.fixture(loop_scope="session")
async def diary(tab: ChatPage) -> Diary:
    return await Diary(tab.page).keep()


@pytest_asyncio.fixture(loop_scope="session")
async def ear(tab: ChatPage) -> Ear:
    return Ear(tab.page)


@pytest_asyncio.fixture(loop_scope="session")
async def wire(tab: ChatPage) -> Wire:
    return await Wire().lay(tab.page)


async def _save_screenshots(contexts: list[BrowserContext], directory: Path) -> None:
    pages = [page for context in contexts for page in context.pages]
    for number, page in enumerate(pages, start=1):
        file = directory / f"page-{number}.png"
        await page.screenshot(path=file, full_page=True)
        print(f"Screenshot of {page.url}: {file}")  # shown in the report of the failed test
