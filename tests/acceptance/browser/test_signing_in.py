"""Who comes in, and that nothing of one person is left for the next."""

from uuid import uuid4

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.support.browser.chat_page import PASSWORD, ChatPage, Member
from tests.support.browser.fixtures import MakeMember, MakePage
from tests.support.browser.guard import Guard
from worker.local.stack import Stack


async def fill_sign_up(page: Page, house: Stack, email: str) -> None:
    await page.goto(house.environment["WEB_URL"])
    await page.get_by_role("button", name="Create an account").click()
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign up").click()


async def test_signing_up_leads_to_an_empty_list(worker: Stack, page: Page) -> None:
    email = f"{uuid4()}@example.test"
    await fill_sign_up(page, worker, email)

    await expect(page.get_by_text("There is no analysed post yet.")).to_be_visible()
    await expect(page.get_by_text("Ask about a post, and the chat is listed here.")).to_be_visible()
    await expect(page.get_by_role("banner")).to_contain_text(email)


async def test_an_address_that_is_taken_is_told(worker: Stack, page: Page, member: Member, guard: Guard) -> None:
    guard.allow("status of 422")
    await fill_sign_up(page, worker, member.email)

    await expect(page.get_by_role("alert")).to_have_text(
        "There is an account with this e-mail address. Sign in instead."
    )


async def test_words_about_a_sign_up_are_gone_where_one_signs_in(
    worker: Stack, page: Page, member: Member, guard: Guard
) -> None:
    guard.allow("status of 422")
    await fill_sign_up(page, worker, member.email)
    await expect(page.get_by_role("alert")).to_contain_text("Sign in instead.")
    await page.get_by_role("button", name="I have an account").click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await expect(page.locator("[role=alert]")).to_be_empty()


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (400, "email_address_invalid", "This e-mail address is not accepted. Choose another."),
        (422, "signup_disabled", "New accounts cannot be made at the moment."),
        (422, "a_new_code", "This was not accepted. Check the e-mail address and the password."),
        (429, "over_request_rate_limit", "Too many tries. Wait a minute, then try again."),
        (503, "unexpected_failure", "The server has a problem at the moment. Try again in a minute."),
    ],
)
async def test_why_there_is_no_account_is_told(
    worker: Stack, page: Page, guard: Guard, status: int, code: str, words: str
) -> None:
    guard.allow(f"status of {status}")
    refusal = {"code": status, "error_code": code, "msg": "For the log only"}
    await page.route("**/auth/v1/signup*", lambda route: route.fulfill(status=status, json=refusal))
    await fill_sign_up(page, worker, f"{uuid4()}@example.test")
    await expect(page.get_by_role("alert")).to_have_text(words)


async def test_a_wrong_password_is_told_and_the_right_one_lets_in(
    make_page: MakePage, member: Member, guard: Guard
) -> None:
    guard.allow("status of 400")
    tab = await make_page(member)
    await tab.sign_in("not-the-password")
    await expect(tab.page.get_by_role("alert")).to_have_text("This e-mail address and password do not match.")

    await tab.page.get_by_label("Password").fill(PASSWORD)
    await tab.page.get_by_role("button", name="Sign in").click()
    await expect(tab.page.get_by_role("region", name="Your posts").get_by_role("listitem")).to_have_count(1)


async def test_signing_out_leaves_nothing_for_the_next(
    chat_page: ChatPage, make_member: MakeMember, make_page: MakePage, context: BrowserContext, guard: Guard
) -> None:
    guard.allow("status of 401")  # lists that were being read anew at that moment
    page = chat_page.page
    await chat_page.ask_and_wait("How many likes of the elderberry did it get?")
    other_tab = await make_page(chat_page.member, context)
    for chat in (chat_page, other_tab):
        await chat.go_to_chat()
        await chat.composer.fill("A draft about elderberries")
    await page.get_by_role("button", name="Sign out").click()
    await expect(other_tab.page.get_by_role("heading", name="Sign in")).to_be_visible()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    kept = await page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert "elderberr" not in kept
    assert str(chat_page.member.user.id) not in kept
    assert chat_page.member.email not in kept

    # The other tab is signed in by the first, and its address still names the chat of the one before.
    assert page.url.endswith("/#/")
    assert str(chat_page.member.analysis) in other_tab.page.url
    next_one = make_member()
    await page.get_by_label("E-mail").fill(next_one.email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    for tab in (page, other_tab.page):
        await expect(tab.get_by_role("region", name="Your posts").get_by_role("listitem")).to_have_count(1)
        await expect(tab.get_by_role("region", name="Your chats")).to_contain_text("the chat is listed here")
        await expect(tab.get_by_text("Pick a post")).to_be_visible()
        assert tab.url.endswith("/#/")
        assert "elderberr" not in await tab.content()
        assert "elderberr" not in await tab.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")


async def test_who_signs_in_again_after_a_sign_in_has_ended_is_where_they_were(
    chat_page: ChatPage, guard: Guard
) -> None:
    guard.allow("status of 40")
    page, place = chat_page.page, chat_page.page.url
    await chat_page.composer.fill("A draft about elderberries")
    await page.evaluate("localStorage.clear()")
    await page.reload()
    await page.get_by_label("E-mail").fill(chat_page.member.email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(chat_page.composer).to_have_value("A draft about elderberries")
    assert page.url == place


async def test_signing_out_does_not_depend_on_the_server(chat_page: ChatPage, worker: Stack, guard: Guard) -> None:
    guard.allow("net::ERR_|status of 50")
    await chat_page.composer.fill("A draft about elderberries")
    worker.api.stop()
    await chat_page.page.get_by_role("button", name="Sign out").click()
    await expect(chat_page.page.get_by_role("heading", name="Sign in")).to_be_visible()
    kept = await chat_page.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert "elderberr" not in kept
    assert chat_page.member.email not in kept
    await chat_page.page.reload()
    await expect(chat_page.page.get_by_role("heading", name="Sign in")).to_be_visible()
