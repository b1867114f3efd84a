"""Readable for everybody: in light and in dark, with a screen reader, and without motion."""

import pytest
from playwright.async_api import expect

from tests.support.browser.accessibility import violations
from tests.support.browser.chat_page import Member
from tests.support.browser.fixtures import MakePage
from tests.support.faulty_model import FaultyModel

QUESTION = "How many likes did it get?"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_state_breaks_a_rule_of_accessibility(
    make_page: MakePage, member: Member, faulty_model: FaultyModel, scheme: str
) -> None:
    tab = await make_page(member, color_scheme=scheme)

    async def check(state: str) -> None:
        found = await violations(tab.page)
        assert not found, "\n".join([state, *found])

    await tab.page.goto(tab.address)
    await expect(tab.page.get_by_role("heading", name="Sign in")).to_be_visible()
    ground = await tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(246, 246, 244)", "dark": "rgb(20, 23, 27)"}[scheme]
    await check("sign-in")
    await tab.sign_in()
    await expect(tab.page.get_by_role("region", name="Your posts").get_by_role("link")).to_be_visible()
    await check("lists")
    await tab.open_post()
    await check("analysis")
    await tab.open_chat()
    await expect(tab.chat.get_by_role("list", name="Suggested questions").get_by_role("button")).to_have_count(3)
    await check("empty chat")

    faulty_model.add("refuse", status=400, question=QUESTION)
    await tab.ask(QUESTION)
    await tab.expect_state("failed")
    await check("failed answer")

    stalled = faulty_model.add("stall", question="insights", after=12)
    await tab.ask("What are the key insights?")
    await tab.expect_state("writing")
    await check("streaming")
    assert faulty_model.used(stalled) == 1
    await tab.turn().get_by_role("button", name="Stop").click()
    await tab.expect_state("completed")
    await check("stopped")

    await tab.turn(0).get_by_role("button", name="Retry").click()
    await tab.expect_answers(2)
    await tab.page.get_by_text("Options").click()
    await check("answered, with the menu open")
    await tab.page.get_by_text("Options").click()
    await tab.composer.fill("x" * 4_001)
    await check("too long")
    await tab.choose("Archive")
    await expect(tab.chat.get_by_text("This chat is archived.")).to_be_visible()
    await check("archived")


async def test_whoever_wants_no_motion_gets_none(
    make_page: MakePage, member: Member, faulty_model: FaultyModel
) -> None:
    faulty_model.add("stall", question=QUESTION)
    names = []
    tab = await make_page(member, reduced_motion="reduce")
    await tab.sign_in_to_chat()
    await tab.ask(QUESTION)
    dots = tab.turn().locator(".chat-typing i")
    for motion in ("reduce", "no-preference"):
        await tab.page.emulate_media(reduced_motion=motion)
        names.append(await dots.first.evaluate("e => getComputedStyle(e).animationName"))
    assert names == ["none", "chat-typing"]
    await tab.turn().get_by_role("button", name="Stop").click()
