"""What strangers wrote, in a question or in an answer, is text: it runs nothing and calls nobody."""

import pytest_asyncio
from playwright.async_api import BrowserContext, Request, expect

from tests.support.browser.chat_page import ChatPage, Database, Member
from tests.support.browser.fixtures import MakePage
from tests.support.browser.history import store
from tests.support.faulty_model import FaultyModel

SCRIPT = "<script>document.title = 'ran'</script><img src=https://tracker.test/x onerror=\"document.title='ran'\">"
MARKDOWN = f"""## A heading

{SCRIPT}

![a pixel](https://tracker.test/pixel.png) and ![](https://tracker.test/unnamed.png)

- [the site](https://example.test/page) and https://example.test/bare
- [a trap](javascript:document.title='ran') and [another](data:text/html,<script>alert(1)</script>)
- [home](//tracker.test/home) and [here](https://example.test@tracker.test/)

| Day | Views |
|---|---|
| Monday | 612,400 |

```html
{SCRIPT}
```

> שלום, עולם: 48210 likes

1. **Bold** and *slanted* 🥐
"""


@pytest_asyncio.fixture(loop_scope="session")
async def requests(context: BrowserContext) -> list[str]:
    """The addresses that were asked for."""
    addresses: list[str] = []

    def keep(request: Request) -> None:
        addresses.append(request.url)

    context.on("request", keep)
    return addresses


def asked_elsewhere(requests: list[str]) -> list[str]:
    return [each for each in requests if ".test" in each]


async def test_a_script_in_a_question_is_shown_as_text(chat_page: ChatPage, requests: list[str]) -> None:
    title = await chat_page.page.title()
    await chat_page.ask_and_wait(f"How many likes did it get? {SCRIPT}")

    assert (await chat_page.seen())[0].question == f"How many likes did it get? {SCRIPT}"
    assert await chat_page.page.title() == title
    assert asked_elsewhere(requests) == []


async def test_an_answer_that_streams_in_runs_nothing_and_calls_nobody(
    chat_page: ChatPage, faulty_model: FaultyModel, requests: list[str]
) -> None:
    planted = f"{SCRIPT}\n\n![a pixel](https://tracker.test/pixel.png) [a trap](javascript:document.title='ran')"
    faulty_model.add("say", question="insights", text=planted)
    title = await chat_page.page.title()
    await chat_page.ask("What are the key insights?")
    await chat_page.expect_answers(1)

    assert chat_page.stored_answers() == [planted]
    assert (await chat_page.seen())[0].answer == f"{SCRIPT} [image: a pixel] a trap"
    assert await chat_page.page.title() == title
    assert asked_elsewhere(requests) == []


async def test_a_stored_answer_is_drawn_as_markdown_without_what_could_harm(
    make_page: MakePage, context: BrowserContext, member: Member, database: Database, requests: list[str]
) -> None:
    store(database, member, [("Everything, please", MARKDOWN)])
    tab = await make_page(member, context)
    await tab.sign_in_to_chat()
    await tab.expect_answers(1)
    title = await tab.page.title()
    answer = tab.answer()

    await expect(answer.get_by_text("[image: a pixel] and [image]")).to_be_visible()
    await expect(answer.get_by_role("img")).to_have_count(0)
    await expect(answer.get_by_role("heading", name="A heading")).to_be_visible()
    await expect(answer.get_by_role("cell", name="612,400")).to_be_visible()
    await expect(answer.locator("strong", has_text="Bold")).to_be_visible()
    assert (await answer.inner_text()).count("<script>") == 2

    links = answer.get_by_role("link")
    await expect(links).to_have_text(["the site", "https://example.test/bare"])
    for link in await links.all():
        await expect(link).to_have_attribute("target", "_blank")
        await expect(link).to_have_attribute("rel", "noopener noreferrer nofollow ugc")
    await expect(answer.get_by_text("the site (example.test)")).to_be_visible()
    for trap in ("a trap", "another", "home", "here"):
        await answer.get_by_text(trap, exact=True).click()
    assert len(tab.page.context.pages) == 1
    assert await tab.page.title() == title
    assert asked_elsewhere(requests) == []


async def test_a_paragraph_of_an_answer_that_runs_from_right_to_left_begins_on_the_right(
    make_page: MakePage, member: Member, database: Database
) -> None:
    items = "- פריט ראשון\n- פריט שני"
    store(database, member, [("In Hebrew?", "In English.\n\nשלום עולם\n\n" + items)])  # noqa: RUF001
    tab = await make_page(member)
    await tab.sign_in_to_chat()
    await tab.expect_answers(1)

    for text, side in (("In English.", "left"), ("שלום עולם", "right"), ("פריט ראשון", "right")):
        gaps = (
            await tab.answer()
            .get_by_text(text, exact=True)
            .evaluate(
                """e => {
              const range = document.createRange();
              range.selectNodeContents(e);
              const [text, box] = [range.getBoundingClientRect(), e.closest("article").getBoundingClientRect()];
              return { left: text.left - box.left, right: box.right - text.right };
            }"""
            )
        )
        other = "right" if side == "left" else "left"
        assert gaps[side] < 50, text
        assert gaps[side] <= gaps[other], text
