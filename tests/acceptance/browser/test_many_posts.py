"""More posts and chats than are read at once: each can be reached."""

from uuid import UUID

import pytest
from playwright.async_api import Locator, expect

from tests.support.browser.chat_page import ChatPage, Database, Member
from tests.support.browser.fixtures import MakePage
from tests.support.browser.guard import Guard
from tests.support.browser.phone import PHONE

MANY = 230  # more than 200, which is what the list of chats holds


def store_posts(database: Database, member: Member, count: int) -> None:
    """creator-1 and so on, each older than the one before; but three of them are always of the same moment."""
    with database.transaction():
        database.execute(
            """insert into public.posts (id, user_id, platform, url, creator, caption)
            select gen_random_uuid(), %s, 'tiktok', 'https://example.test/p/' || n, 'creator-' || n, 'Post ' || n
            from generate_series(1, %s) n""",
            [member.user.id, count],
        )
        database.execute(
            """insert into public.post_analyses (user_id, post_id, created_at)
            select user_id, id, now() - interval '1 hour' * (1 + substring(creator from 9)::integer / 3)
            from public.posts where user_id = %s and platform = 'tiktok'""",
            [member.user.id],
        )


def store_chats(database: Database, member: Member) -> None:
    """One about each post, used last in the order of the posts."""
    database.execute(
        """insert into public.chat_sessions (user_id, post_analysis_id, updated_at)
        select user_id, id, created_at from public.post_analyses where user_id = %s""",
        [member.user.id],
    )


def oldest(database: Database, member: Member) -> UUID:
    row = database.execute(
        """select a.id from public.post_analyses a join public.posts p on p.id = a.post_id
        where a.user_id = %s and p.creator = %s""",
        [member.user.id, f"creator-{MANY}"],
    ).fetchone()
    assert row
    analysis: UUID = row["id"]
    return analysis


async def scroll_to_the_end(scroller: Locator) -> None:
    await scroller.evaluate("e => { e.scrollTop = e.scrollHeight }")


async def test_the_list_of_posts_goes_on_to_the_last(tab: ChatPage, database: Database) -> None:
    store_posts(database, tab.member, MANY)
    await tab.sign_in()
    posts = tab.page.get_by_role("region", name="Your posts")
    lines = posts.get_by_role("listitem")
    more = posts.get_by_role("button", name="Show more")
    for count in (20, 120, 220):
        await expect(lines).to_have_count(count)
        await more.click()
    await expect(lines).to_have_count(MANY + 1)
    await expect(more).to_have_count(0)
    # Each of them once, the newest first.
    creators = await lines.locator("strong").all_inner_texts()
    numbers = [int(creator.removeprefix("creator-")) for creator in creators[1:]]
    assert sorted(numbers) == list(range(1, MANY + 1))
    assert [number // 3 for number in numbers] == sorted(number // 3 for number in numbers)
    await posts.get_by_role("link", name=f"creator-{MANY}").click()
    await expect(tab.analysis.get_by_role("heading", name=f"creator-{MANY} on tiktok")).to_be_visible()


async def test_a_list_that_has_become_shorter_does_not_wait_for_more(tab: ChatPage, database: Database) -> None:
    store_posts(database, tab.member, 130)
    await tab.sign_in()
    posts = tab.page.get_by_role("region", name="Your posts")
    lines = posts.get_by_role("listitem")
    for count in (20, 120):
        await expect(lines).to_have_count(count)
        await posts.get_by_role("button", name="Show more").click()
    await expect(lines).to_have_count(131)
    database.execute(
        "delete from public.posts where user_id = %s and substring(creator from '[0-9]+')::integer <= 40",
        [tab.member.user.id],
    )
    # The lists are read again when the window comes to the front, though not within seconds of the last time.
    await tab.page.evaluate("setInterval(() => dispatchEvent(new Event('focus')), 500)")
    await expect(lines).to_have_count(91)
    await expect(posts.get_by_text("Loading")).to_have_count(0)


async def test_posts_that_could_not_be_read_are_asked_for_again(
    tab: ChatPage, database: Database, guard: Guard
) -> None:
    guard.allow("status of 400")
    store_posts(database, tab.member, 30)
    await tab.sign_in()
    posts = tab.page.get_by_role("region", name="Your posts")
    await expect(posts.get_by_role("listitem")).to_have_count(20)
    await tab.page.route("**/rest/v1/post_analyses*", lambda route: route.fulfill(status=400, json={}))
    await posts.get_by_role("button", name="Show more").click()
    await expect(posts.get_by_role("alert")).to_contain_text("This could not be loaded.")
    await expect(posts.get_by_role("listitem")).to_have_count(20)
    await tab.page.unroute("**/rest/v1/post_analyses*")
    await posts.get_by_role("button", name="Try again").click()
    await expect(posts.get_by_role("listitem")).to_have_count(31)
    await expect(posts.get_by_role("alert")).to_have_count(0)


async def test_a_post_and_a_chat_beyond_the_lists_open_by_their_address(tab: ChatPage, database: Database) -> None:
    store_posts(database, tab.member, MANY)
    store_chats(database, tab.member)
    address = f"/#/posts/{oldest(database, tab.member)}"
    await tab.sign_in(at=address)
    await expect(tab.analysis.get_by_role("heading", name=f"creator-{MANY} on tiktok")).to_be_visible()

    await tab.page.goto(f"{tab.address}{address}/chat")
    await expect(
        tab.page.get_by_role("region", name="Chat", exact=True).get_by_role("heading", level=2)
    ).to_have_text(f"creator-{MANY} on tiktok")
    await tab.expect_live()
    await tab.choose("Archive")
    await expect(tab.chat.get_by_text("This chat is archived.")).to_be_visible()
    await tab.page.get_by_text("Options", exact=True).click()
    await tab.page.get_by_role("group").get_by_role("button", name="Reopen").click()
    await expect(tab.composer).to_be_visible()
    tab.page.once("dialog", lambda dialog: dialog.accept())
    await tab.choose("Delete")
    await expect(tab.page.get_by_text("Options", exact=True)).to_have_count(0)


async def test_an_address_that_somebody_made_up_says_that_there_is_no_such_post(tab: ChatPage, guard: Guard) -> None:
    guard.allow("status of 400")
    await tab.sign_in(at="/#/posts/none")
    await expect(tab.analysis.get_by_text("There is no such post.")).to_be_visible()


@pytest.mark.parametrize("options", [{}, PHONE], ids=["wide", "phone"])
async def test_the_chats_are_within_reach_beside_many_posts(
    make_page: MakePage, member: Member, database: Database, options: dict[str, object]
) -> None:
    store_posts(database, member, MANY)
    tab = await make_page(member, **options)
    await tab.sign_in()
    posts = tab.page.get_by_role("region", name="Your posts")
    chats = tab.page.get_by_role("region", name="Your chats")
    await expect(posts.get_by_role("link").first).to_be_visible()
    if options:
        await scroll_to_the_end(tab.page.get_by_role("navigation", name="Posts and chats"))
    await expect(chats.get_by_role("heading")).to_be_in_viewport()
    await expect(chats.get_by_text("Ask about a post")).to_be_in_viewport()
    await posts.get_by_role("button", name="Show more").scroll_into_view_if_needed()
    await expect(posts.get_by_role("button", name="Show more")).to_be_in_viewport()
