"""The browser works, and a page's errors do not go unseen."""

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.support.browser import chromium
from tests.support.browser.accessibility import violations
from tests.support.browser.fixtures import OpenContext
from tests.support.browser.guard import Guard, PageComplained
from worker.local.stack import Stack

ADDRESS = "http://page.test/"
STRICT = "default-src 'none'; script-src 'self'"

Watching = Callable[[], Awaitable[tuple[BrowserContext, Guard]]]


async def show(context: BrowserContext, html: str, policy: str = "") -> Page:
    """A page of a server that is not there."""
    headers = {"Content-Type": "text/html", **({"Content-Security-Policy": policy} if policy else {})}
    await context.route(ADDRESS, lambda route: route.fulfill(body=html, headers=headers))
    page = await context.new_page()
    await page.goto(ADDRESS)
    return page


@pytest.fixture
def watching(open_context: OpenContext, guard: Guard) -> Watching:
    """A context with a guard of its own, so that its complaints are this test's to judge."""

    async def opened() -> tuple[BrowserContext, Guard]:
        guard.allow("planted")
        inner = Guard()
        context = await open_context()
        inner.watch(context)
        return context, inner

    return opened


async def test_the_page_of_the_house_opens(house: Stack, page: Page) -> None:
    await page.goto(house.environment["WEB_URL"])

    await expect(page.get_by_role("heading", level=1)).to_have_text("PostBro Chat")
    assert await page.evaluate("navigator.language") == "en-US"
    assert await page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone") == "UTC"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("throw new Error('planted')", "uncaught: .*planted"),
        ("Promise.reject(new Error('planted'))", "uncaught: .*planted"),
        ("console.error('planted')", "console: planted"),
    ],
)
async def test_errors_of_a_page_are_seen(watching: Watching, script: str, words: str) -> None:
    context, inner = await watching()
    await show(context, f"<script>{script}</script>")
    await context.close()

    with pytest.raises(PageComplained, match=words):
        inner.check()
    inner.allow("planted")
    inner.check()


async def test_violations_of_the_policy_are_seen(watching: Watching, guard: Guard) -> None:
    guard.allow("Content Security Policy")
    context, inner = await watching()
    page = await show(context, "<script>document.title = 'ran'</script>", STRICT)
    assert await page.title() == ""
    await context.close()

    with pytest.raises(PageComplained, match="Content Security Policy"):
        inner.check()


async def test_a_page_without_errors_is_let_through(watching: Watching) -> None:
    context, inner = await watching()
    await show(context, "<script>console.log('x'); console.warn('x')</script>")
    await context.close()

    inner.check()


async def test_two_people_share_nothing(open_context: OpenContext) -> None:
    one, other = [await show(await open_context(), "<p>x</p>") for _ in range(2)]
    await one.evaluate("localStorage.setItem('mine', '1')")

    assert await other.evaluate("localStorage.getItem('mine')") is None


async def test_axe_runs_under_a_strict_policy_and_finds_what_is_wrong(context: BrowserContext) -> None:
    html = "<!doctype html><html lang=en><title>x</title><main><h1>x</h1>{}</main></html>"
    good = await show(context, html.format(""), STRICT)
    assert await violations(good) == []
    await good.close()
    await context.unroute_all()
    bad = await show(context, html.format("<input>"), STRICT)

    [violation] = await violations(bad)

    assert violation.startswith("label (critical): ")
    assert violation.endswith(": input")


def test_without_a_browser_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(LookupError, match="make browser"):
        chromium.find()
