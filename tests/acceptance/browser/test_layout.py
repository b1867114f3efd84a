"""What is drawn stays where it was drawn, while more comes in below it."""

from tests.support.browser.chat_page import ChatPage, Member
from tests.support.browser.fixtures import MakePage
from tests.support.faulty_model import FaultyModel

# The browser leaves out what moves within half a second after a key or a click.
ADD_SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const shift of list.getEntries()) if (!shift.hadRecentInput) window.shifted += shift.value;
}).observe({ type: "layout-shift" });
"""
WELL = 0.1  # up to here a page's layout shift counts as good
STILL = 0.001  # a count in the list of chats that grows by a digit is 0.00001
QUESTION = "How many likes did it get?"
LONG_ANSWER = "\n\n".join(
    f"**Part {n}**: the hook, the pace and the ending of it.\n\n- One\n- Two" for n in range(1, 13)
)


async def test_what_is_drawn_first_stays_where_it_is(make_page: MakePage, member: Member) -> None:
    tab = await make_page(member, viewport={"width": 412, "height": 823})
    await tab.sign_in()
    posts = tab.page.get_by_role("region", name="Your posts").get_by_role("listitem")
    await posts.first.wait_for()
    await tab.page.add_init_script(ADD_SHIFTS)
    await tab.page.reload()
    await posts.first.wait_for()
    assert await tab.page.evaluate("window.shifted") < WELL


async def test_nothing_moves_while_an_answer_streams_and_when_it_ends(
    chat_page: ChatPage, faulty_model: FaultyModel
) -> None:
    faulty_model.add("say", question=QUESTION, text=LONG_ANSWER, pace_ms=25)
    await chat_page.ask(QUESTION)
    await chat_page.expect_state("writing")
    await chat_page.page.evaluate(ADD_SHIFTS)
    await chat_page.expect_answers(1)
    assert await chat_page.page.evaluate("window.shifted") < STILL
