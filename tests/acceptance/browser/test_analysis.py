"""The analysed post, and the way from it into the chat."""

import json

from playwright.async_api import expect

from tests.support.browser.chat_page import ChatPage, Database, Member
from tests.support.browser.fixtures import MakePage

DASH = "\N{EN DASH}"


async def test_the_analysis_is_shown_as_a_person_would_read_it(
    make_page: MakePage, member: Member, database: Database
) -> None:
    database.execute(
        "update public.posts set metrics = %s where id = %s",
        [json.dumps({"views": 612400, "likes": 48210, "engagement_rate": "13.2%"}), member.post],
    )
    database.execute(
        """update public.post_analyses set quick_takeaways = '["Open with the loss"]', viral_status = 'Seven times',
        creator_context = 'A baker', frameworks = '[{"name": "Curiosity Stack", "explanation": "Three questions"}]'
        where id = %s""",
        [member.analysis],
    )
    tab = await make_page(member)
    await tab.sign_in()
    await tab.open_post()

    await expect(tab.analysis).to_match_aria_snapshot("""
      - article:
        - heading "mara on instagram" [level=2]
        - paragraph:
          - link "Open the post"
        - paragraph: Three eggs
        - figure:
          - text: Figures (bars on a logarithmic scale)
          - term: views
          - definition: "612,400"
          - term: likes
          - definition: "48,210"
          - term: engagement rate
          - definition: "13.2%"
        - heading "Takeaways" [level=3]
        - list:
          - listitem: Open with the loss
        - heading "How far it travelled" [level=3]
        - paragraph: Seven times
        - heading "Frameworks" [level=3]
        - term: Curiosity Stack
        - definition: Three questions
        - heading "Key insights" [level=3]
        - list:
          - listitem: The hook is a question
        - heading "The creator" [level=3]
        - paragraph: A baker
      - link "Ask a question"
    """)
    link = tab.analysis.get_by_role("link", name="Open the post")
    await expect(link).to_have_attribute("href", "https://example.test/p/1")
    widths = await tab.analysis.locator(".bar > span").evaluate_all("bars => bars.map(bar => bar.clientWidth)")
    assert 0 < widths[1] < widths[0]


async def test_what_an_analysis_does_not_say_is_left_out_and_what_it_says_otherwise_is_read(
    make_page: MakePage, member: Member, database: Database
) -> None:
    database.execute(
        "update public.posts set creator = ' ', caption = '', metrics = %s where id = %s",
        [json.dumps({"views": 1e300, "likes": 48210, "saves": None, "mood": ""}), member.post],
    )
    database.execute(
        """update public.post_analyses set quick_takeaways = %s, key_insights = %s, frameworks = %s,
        viral_status = ' ' where id = %s""",
        [
            json.dumps([None, {"text": "Open with the loss"}, {"name": "Cut early"}, "", "Cut early", 7]),
            json.dumps([None, " "]),
            json.dumps([None, "Contrast", {"name": "Curiosity Stack", "explanation": None}]),
            member.analysis,
        ],
    )
    tab = await make_page(member)
    await tab.sign_in()
    posts = tab.page.get_by_role("region", name="Your posts")
    await expect(posts.get_by_role("link")).to_have_accessible_name("A post instagram https://example.test/p/1")
    await posts.get_by_role("link").click()
    await expect(tab.analysis).to_match_aria_snapshot("""
      - article:
        - heading "A post on instagram" [level=2]
        - paragraph:
          - link "Open the post"
        - figure:
          - text: Figures (bars on a logarithmic scale)
          - term: views
          - definition: "1E300"
          - term: likes
          - definition: "48,210"
        - heading "Takeaways" [level=3]
        - list:
          - listitem: Open with the loss
          - listitem: Cut early
          - listitem: "7"
        - heading "Frameworks" [level=3]
        - term: Contrast
        - term: Curiosity Stack
      - link "Ask a question"
    """)
    await expect(tab.analysis.get_by_role("heading", level=3)).to_have_count(2)
    await expect(tab.analysis.get_by_role("listitem")).to_have_count(3)
    await expect(tab.analysis.get_by_role("term")).to_have_count(4)
    await expect(tab.analysis.get_by_role("definition")).to_have_count(2)


async def test_the_tab_is_called_by_its_post(tab: ChatPage) -> None:
    await tab.sign_in()
    await expect(tab.page).to_have_title("PostBro Chat")
    await tab.open_post()
    await expect(tab.page).to_have_title(f"mara on instagram {DASH} PostBro Chat")
    await tab.open_chat()
    await expect(tab.page).to_have_title(f"mara on instagram {DASH} PostBro Chat")
    await tab.page.get_by_role("link", name="PostBro Chat").click()
    await expect(tab.page).to_have_title("PostBro Chat")
    await expect(tab.analysis).to_have_count(0)


async def test_looking_opens_no_session_and_the_first_message_exactly_one(
    chat_page: ChatPage, database: Database
) -> None:
    await expect(chat_page.chat.get_by_role("heading", name="Ask about this post")).to_be_visible()
    await chat_page.composer.fill("How many likes did it get?")
    assert chat_page.session() is None

    # At once, one after the other: both are for the session that the first one opens.
    await chat_page.composer.press("Enter")
    await chat_page.ask("And what are the key insights?")
    await chat_page.expect_answers(2)

    [row] = database.execute(
        "select count(*) from public.chat_sessions where user_id = %s", [chat_page.member.user.id]
    ).fetchall()
    assert row["count"] == 1
    assert [row["role"] for row in chat_page.stored()] == ["user", "assistant"] * 2
    chats = chat_page.page.get_by_role("region", name="Your chats")
    await expect(chats.get_by_role("listitem")).to_contain_text("4 messages")


async def test_a_suggested_question_is_asked_with_one_click(chat_page: ChatPage) -> None:
    suggestions = chat_page.chat.get_by_role("list", name="Suggested questions").get_by_role("button")
    await expect(suggestions).to_have_text(
        ["How can I improve this post?", "How many likes did it get, and why?", "What are the key insights?"]
    )
    await suggestions.nth(2).click()
    await chat_page.expect_answers(1)

    [turn] = await chat_page.seen()
    assert turn.question == "What are the key insights?"
    assert "The hook is a question" in turn.answer
    assert [row["content"] for row in chat_page.stored() if row["role"] == "user"] == [turn.question]
    await expect(suggestions).to_have_count(0)
    await expect(chat_page.composer).to_be_focused()
