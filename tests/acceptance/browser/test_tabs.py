"""Several tabs of one person keep in step; another person sees nothing of it."""

from playwright.async_api import BrowserContext, Page, Response, expect

from tests.support.browser.chat_page import ChatPage, as_read
from tests.support.browser.fixtures import MakeMember, MakePage
from tests.support.browser.long_answer import LONG_ANSWER, QUESTION
from tests.support.faulty_model import FaultyModel


async def test_a_tab_that_was_open_before_the_chat_began_follows_it(
    chat_page: ChatPage, make_page: MakePage, context: BrowserContext, faulty_model: FaultyModel
) -> None:
    faulty_model.add("say", question=QUESTION, text=LONG_ANSWER, pace_ms=15)
    other = await make_page(chat_page.member, context)
    await other.go_to_chat()
    await expect(other.chat.get_by_role("heading", name="Ask about this post")).to_be_visible()
    assert chat_page.session() is None

    await other.record_growth()
    await chat_page.ask(QUESTION)
    await expect(other.question()).to_contain_text(QUESTION)
    await other.expect_answers(1)
    assert len(set(await other.growth())) >= 3
    await chat_page.expect_answers(1)
    assert await other.seen() == await chat_page.seen()
    assert (await other.seen())[0].answer == as_read(chat_page.stored_answers()[0])


async def test_another_device_follows_and_both_may_ask(chat_page: ChatPage, make_page: MakePage) -> None:
    await chat_page.ask_and_wait(QUESTION)
    other = await make_page(chat_page.member)
    await other.sign_in_to_chat()
    await other.expect_answers(1)

    await other.ask_and_wait("What are the key insights?")
    await chat_page.expect_answers(2)
    await chat_page.ask_and_wait("Who made it?")
    await other.expect_answers(3)
    assert await other.seen() == await chat_page.seen()


async def test_archiving_and_reopening_in_one_tab_shows_in_the_other(
    chat_page: ChatPage, make_page: MakePage, context: BrowserContext
) -> None:
    await chat_page.ask_and_wait(QUESTION)
    other = await make_page(chat_page.member, context)
    await other.go_to_chat()
    await other.expect_answers(1)
    await other.choose("Archive")

    await expect(chat_page.chat.get_by_text("This chat is archived.")).to_be_visible()
    await expect(chat_page.composer).to_have_count(0)
    await chat_page.chat.get_by_role("button", name="Reopen").click()
    await expect(other.composer).to_be_visible()


def overhear(page: Page) -> list[str]:
    """All that servers tell this page from now on."""
    heard: list[str] = []

    async def keep(response: Response) -> None:
        if "/rest/v1/" in response.url:
            heard.append(await response.text())

    page.on("response", keep)
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: heard.append(str(frame))))
    return heard


async def test_another_person_sees_nothing_of_it(
    chat_page: ChatPage, make_member: MakeMember, make_page: MakePage
) -> None:
    await chat_page.ask_and_wait("How many likes of the elderberry did it get?")
    stranger = make_member()
    theirs = await make_page(stranger)
    heard = overhear(theirs.page)
    await theirs.sign_in()
    posts = theirs.page.get_by_role("region", name="Your posts")
    await expect(posts.get_by_role("listitem")).to_have_count(1)
    await expect(posts.get_by_role("link")).to_have_attribute("href", f"#/posts/{stranger.analysis}")
    await expect(theirs.page.get_by_role("region", name="Your chats")).to_contain_text("the chat is listed here")

    # By the address of the first one's chat, and for as long as an answer takes there.
    await theirs.page.goto(f"{theirs.address}/#/posts/{chat_page.member.analysis}/chat")
    no_such_post = theirs.page.get_by_role("region", name="Chat").get_by_text("There is no such post.")
    await expect(no_such_post).to_be_visible()
    await expect(theirs.composer).to_have_count(0)
    await chat_page.ask_and_wait("And how many elderberries are in it?")
    await expect(theirs.turns).to_have_count(0)
    assert heard
    assert "elderberr" not in await theirs.page.content()
    assert not [each for each in heard if "elderberr" in each or str(chat_page.session()) in each]
