"""The access token expires in mid-conversation, and Auth does not give another one for a while."""

import json
import time
from urllib.parse import urlsplit

import jwt
from playwright.async_api import Route, expect

from tests.support.browser.chat_page import ChatPage, Database
from tests.support.browser.clock import pass_time
from tests.support.browser.diary import Diary
from tests.support.browser.endings import (
    QUESTION,
    expect_only_beginnings,
    expect_stored_once,
    give_a_long_answer,
)
from tests.support.browser.guard import Guard
from tests.support.browser.wire import Ear
from tests.support.waiting import until
from worker.local.stack import Stack

FIRST, SECOND = "How many likes did it get?", "Who made it?"
EXPIRED = "Your sign-in has expired and is being renewed. If that takes long, sign in again."
FAR = 3600  # seconds
LIFE = 20  # seconds of a token: the chat is opened and its first question answered within them, on a busy machine too


async def test_an_expired_token_is_replaced_without_a_reload(
    tab: ChatPage, diary: Diary, ear: Ear, worker: Stack, database: Database, guard: Guard
) -> None:
    guard.allow(r"the server responded with a status of 401")
    guard.allow(r"the server responded with a status of 503 .*/auth/v1/token")
    give_a_long_answer(database, tab)
    session = Session(tab, worker)
    await tab.sign_in()
    await tab.open_post()
    # The page takes the token for a good one, as it does on a machine whose clock is behind.
    expires_at = int(time.time()) + LIFE
    await session.replace(access_token=session.token(await session.read(), expires_at), expires_at=expires_at + FAR)
    await tab.open_chat()
    await tab.ask(FIRST)
    await expect_stored_once(tab, [FIRST])

    await tab.page.route("**/auth/v1/token*", refuse)
    await until(lambda: ear.told("Token has expired"), "the server to close the channel", seconds=2 * LIFE)
    await until(lambda: ear.count("phx_close"), "the end of the channel")
    await expect(tab.page.get_by_role("alert")).to_have_text(EXPIRED)
    await tab.ask(SECOND)
    await expect(tab.turn()).to_contain_text(f"Not sent. {EXPIRED}")
    assert len(tab.stored()) == 2

    # Now the page knows, and tries in vain to get another; then Auth is back.
    await session.replace(expires_at=expires_at)
    await tab.page.wait_for_event("requestfinished", lambda request: "/auth/v1/token" in request.url)
    await tab.page.unroute("**/auth/v1/token*")
    await expect_stored_once(tab, [FIRST, SECOND])
    await expect(tab.page.get_by_role("alert")).to_be_hidden()

    await until(lambda: ear.joins() == 2, "a new channel")
    deltas = ear.count("delta")
    await tab.ask(QUESTION)
    await expect_stored_once(tab, [FIRST, SECOND, QUESTION])
    assert ear.count("delta") > deltas + 5
    await expect_only_beginnings(diary, *tab.stored_answers())


async def test_an_expired_sign_in_is_kept_at_a_reload_until_the_server_is_back(
    chat_page: ChatPage, worker: Stack, guard: Guard
) -> None:
    guard.allow(r"the server responded with a status of 503 .*/auth/v1/token")
    page, place = chat_page.page, chat_page.page.url
    await page.route("**/auth/v1/token*", refuse)  # first: the page may be about to ask for something
    await Session(chat_page, worker).replace(expires_at=int(time.time()) - 60)
    await page.clock.install()
    await page.reload()
    await pass_time(page, 6)
    words = page.get_by_role("status")
    await expect(words).to_have_text("The server could not be reached. Trying again…")
    await pass_time(page, 40)
    await expect(words).to_have_text("The server could not be reached. Trying again…")
    await expect(page.get_by_role("heading", name="Sign in")).to_have_count(0)

    await page.unroute("**/auth/v1/token*")
    await pass_time(page, 20)
    await expect(chat_page.composer).to_be_visible()
    assert page.url == place


async def test_without_a_sign_in_the_form_is_there_at_once_and_without_the_server(
    tab: ChatPage, guard: Guard
) -> None:
    await tab.page.route("**/auth/v1/**", refuse)
    await tab.page.clock.install()
    await tab.page.goto(tab.address)
    await expect(tab.page.get_by_role("heading", name="Sign in")).to_be_visible()


async def refuse(route: Route) -> None:
    await route.fulfill(status=503, json={"message": "upstream is away"})


class Session:
    """What supabase-js keeps of a sign-in in the page's storage."""

    def __init__(self, tab: ChatPage, house: Stack) -> None:
        self._tab = tab
        self._secret = house.environment["SUPABASE_JWT_SECRET"]
        host = urlsplit(house.environment["SUPABASE_URL"]).hostname or ""
        self._key = f"sb-{host.split('.')[0]}-auth-token"

    async def read(self) -> dict[str, object]:
        found: str = await self._tab.page.evaluate("key => localStorage.getItem(key)", self._key)
        return dict(json.loads(found))

    async def replace(self, **changed: object) -> None:
        text = json.dumps(await self.read() | changed)
        await self._tab.page.evaluate("([key, text]) => localStorage.setItem(key, text)", [self._key, text])

    def token(self, session: dict[str, object], expires_at: int) -> str:
        """The session's own, but for its end."""
        claims = jwt.decode(str(session["access_token"]), options={"verify_signature": False})
        return jwt.encode(claims | {"exp": expires_at}, self._secret, algorithm="HS256")
