"""On a telephone: one thing at a time, and nothing wider than the screen."""

import json

from playwright.async_api import Locator, expect

from tests.support.browser.chat_page import Database, Member
from tests.support.browser.fixtures import MakePage
from tests.support.browser.history import store
from tests.support.browser.phone import PHONE, expect_nothing_too_wide

LONG_WORD = "Donaudampfschifffahrt" * 20
LONG_URL = "https://example.test/" + "a-long-path/" * 40
WIDE = f"""{LONG_WORD}

{LONG_URL}

| {" | ".join(["A wide column"] * 9)} |
|{"---|" * 9}
| {" | ".join(["0"] * 9)} |

    {"a line of code that does not end " * 9}
"""


async def width_of(pane: Locator) -> float:
    box = await pane.bounding_box()
    assert box is not None
    return box["width"]


async def test_one_pane_at_a_time_with_ways_back(make_page: MakePage, member: Member) -> None:
    tab = await make_page(member, **PHONE)
    lists = tab.page.get_by_role("navigation", name="Posts and chats")
    await tab.sign_in()
    await expect(lists).to_be_visible()
    assert await width_of(lists) == 390
    await expect_nothing_too_wide(tab.page)
    await tab.open_post()
    await expect(lists).to_be_hidden()
    await expect_nothing_too_wide(tab.page)
    assert await width_of(tab.analysis) == 390
    await tab.open_chat()
    await expect(tab.analysis).to_be_hidden()
    assert await width_of(tab.chat) == 390
    await tab.ask_and_wait("How many likes did it get?")
    await expect(tab.composer).to_be_in_viewport(ratio=1)
    await expect(tab.send_button).to_be_in_viewport(ratio=1)
    await expect_nothing_too_wide(tab.page)

    await tab.page.get_by_role("link", name="Back to the analysis").tap()
    await expect(tab.analysis).to_be_visible()
    await expect(tab.chat).to_have_count(0)
    await tab.analysis.get_by_role("link", name="All posts").tap()
    await expect(lists).to_be_visible()
    await expect(tab.analysis).to_have_count(0)
    await tab.page.get_by_role("region", name="Your chats").get_by_role("link", name="mara").tap()
    await tab.expect_answers(1)


async def test_enter_starts_a_new_line_and_the_button_sends(make_page: MakePage, member: Member) -> None:
    tab = await make_page(member, **PHONE)
    await tab.sign_in_to_chat()
    await expect(tab.composer).not_to_be_focused()  # or the keyboard would cover half of what there is to read
    await tab.composer.press_sequentially("How many likes\ndid it get?")
    await expect(tab.turns).to_have_count(0)
    await tab.send_button.tap()
    await tab.expect_answers(1)
    assert tab.stored()[0]["content"] == "How many likes\ndid it get?"


async def test_long_words_and_addresses_are_broken_and_wide_tables_scroll(
    make_page: MakePage, member: Member, database: Database
) -> None:
    store(database, member, [(f"{LONG_WORD} {LONG_URL}", WIDE)])
    database.execute(
        "update public.posts set caption = %s, creator = %s, metrics = %s where id = %s",
        [
            LONG_WORD,
            "mara" + LONG_WORD,
            json.dumps({"likes": 10**15, "engagement_rate_of_followers": "13.2%"}),
            member.post,
        ],
    )
    database.execute(
        "update public.post_analyses set key_insights = %s, viral_status = %s where id = %s",
        [json.dumps([LONG_URL]), LONG_WORD, member.analysis],
    )
    tab = await make_page(member, **PHONE)
    await tab.sign_in()
    await expect(tab.page.get_by_role("region", name="Your posts").get_by_role("link")).to_be_visible()
    await expect_nothing_too_wide(tab.page)
    await tab.open_post()
    await expect_nothing_too_wide(tab.page)
    await tab.open_chat()
    await tab.expect_answers(1)
    await expect_nothing_too_wide(tab.page)
    assert await tab.scroller.evaluate("e => e.scrollWidth <= e.clientWidth")
    table = tab.answer().get_by_role("region", name="Table")
    assert await table.evaluate("e => e.scrollWidth > e.clientWidth")
    await tab.composer.fill(LONG_WORD)
    await expect_nothing_too_wide(tab.page)
