"""Without a mouse, from the sign-in to an answer."""

from playwright.async_api import Page, expect

from tests.support.browser.chat_page import PASSWORD, Member
from tests.support.browser.fixtures import MakePage

_FOCUSED = """() => {
  const e = document.activeElement;
  const style = getComputedStyle(e);
  const label = e.labels?.[0]?.innerText || e.ariaLabel || e.innerText || e.tagName;
  const outline = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  return { name: label.trim().split("\\n")[0], outline };
}"""
MOST_STEPS = 25


async def tab_to(page: Page, name: str, key: str = "Tab") -> list[str]:
    """Tab until something of that name has the focus: the names on the way, that one the last."""
    passed: list[str] = []
    while len(passed) < MOST_STEPS:
        await page.keyboard.press(key)
        focused = await page.evaluate(_FOCUSED)
        passed.append(focused["name"])
        assert focused["outline"] or focused["name"] == "BODY", f"the focus on {passed[-1]!r} cannot be seen"
        if passed[-1] == name:
            return passed
    raise AssertionError(f"{name!r} is not reached by Tab, but: {passed}")


async def test_from_the_sign_in_to_an_answer(make_page: MakePage, member: Member) -> None:
    tab = await make_page(member)
    page, keyboard = tab.page, tab.page.keyboard
    await page.goto(tab.address)
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert await tab_to(page, "E-mail") == ["E-mail"]
    await keyboard.type(member.email)
    assert await tab_to(page, "Password") == ["Password"]
    await keyboard.type(PASSWORD)
    assert await tab_to(page, "Sign in") == ["Sign in"]
    await keyboard.press("Enter")

    await expect(page.get_by_role("region", name="Your posts").get_by_role("link")).to_be_visible()
    assert await tab_to(page, "mara") == ["PostBro Chat", "Sign out", "mara"]
    await keyboard.press("Enter")
    await expect(tab.analysis.get_by_role("link", name="Ask a question")).to_be_visible()
    assert await tab_to(page, "Ask a question") == ["Open the post", "Ask a question"]
    await keyboard.press("Enter")
    await expect(tab.chat.get_by_role("list", name="Suggested questions").get_by_role("button")).to_have_count(3)
    await expect(tab.composer).to_be_focused()
    suggested = ["How can I improve this post?", "How many likes did it get, and why?", "What are the key insights?"]
    assert await tab_to(page, "Conversation", key="Shift+Tab") == [*reversed(suggested), "Conversation"]
    assert await tab_to(page, "Your question") == [*suggested, "Your question"]
    await keyboard.type("How many likes did it get?")
    await keyboard.press("Enter")
    await tab.expect_answers(1)

    # Ready for the next question; and back to the answer, which can be copied.
    await expect(tab.composer).to_be_focused()
    for name in ("Regenerate", "Copy this answer", "Edit this question"):
        await keyboard.press("Shift+Tab")
        await expect(tab.turn().get_by_role("button", name=name)).to_be_focused()
    await keyboard.press("Shift+Tab")
    await expect(tab.scroller).to_be_focused()
    assert (await page.evaluate(_FOCUSED))["outline"]
