"""Messages on their way to the page get lost, come twice or in another order: the rows heal it."""

from playwright.async_api import expect

from tests.support.browser.chat_page import ChatPage, Database
from tests.support.browser.diary import Diary, letters
from tests.support.browser.endings import (
    QUESTION,
    come_to_rest,
    draft,
    enter,
    expect_only_beginnings,
    expect_stored_once,
    give_a_long_answer,
    wake,
)
from tests.support.browser.wire import Frame, Wire
from tests.support.faulty_model import FaultyModel
from tests.support.people import Chat, People
from tests.support.waiting import until

FIRST, SECOND = "How many likes did it get?", "And how many likes was that?"


class Deltas:
    """Counts the deltas that pass, and says which of them a test wants to meet."""

    def __init__(self) -> None:
        self.lost: list[Frame] = []
        self._passed = 0

    def lose_some(self, frame: Frame) -> list[Frame]:
        """The third to the sixth: those before and after them arrive."""
        if frame.event != "delta":
            return [frame]
        self._passed += 1
        if 3 <= self._passed <= 6:
            self.lost.append(frame)
            return []
        return [frame]

    def lose_all(self, frame: Frame) -> list[Frame]:
        if frame.event == "delta":
            self.lost.append(frame)
        return [] if frame.event == "delta" else [frame]


async def test_a_gap_is_filled_from_the_draft_while_the_answer_is_written(
    tab: ChatPage, wire: Wire, diary: Diary, database: Database, faulty_model: FaultyModel
) -> None:
    give_a_long_answer(database, tab)
    deltas = Deltas()
    wire.change = deltas.lose_some
    # Shorter than the silence after which rows are read without a gap.
    faulty_model.add("stall", question=QUESTION, after=60, seconds=5)
    await enter(tab)
    await tab.ask(QUESTION)
    await expect_stored_once(tab, [QUESTION])

    [answer] = tab.stored_answers()
    assert len(deltas.lost) == 4
    behind_the_gap = deltas.lost[-1].payload["offset"] + len(deltas.lost[-1].payload["text"])
    healed = [text for text in await diary.texts() if len(letters(answer[:behind_the_gap])) < len(text)]
    assert len(set(healed)) > 1, "the gap was there until the whole answer came"
    await expect_only_beginnings(diary, answer)


async def test_an_answer_grows_without_any_delta(
    tab: ChatPage, wire: Wire, diary: Diary, database: Database, faulty_model: FaultyModel
) -> None:
    give_a_long_answer(database, tab)
    deltas = Deltas()
    wire.change = deltas.lose_all
    faulty_model.add("stall", question=QUESTION, after=40, seconds=8)
    await enter(tab)
    await tab.ask(QUESTION)
    await tab.expect_state("writing")
    await expect_stored_once(tab, [QUESTION])

    assert deltas.lost
    await expect_only_beginnings(diary, *tab.stored_answers())


async def test_deltas_that_come_twice_and_in_another_order_are_put_right(
    tab: ChatPage, wire: Wire, diary: Diary, database: Database
) -> None:
    give_a_long_answer(database, tab)
    held: list[Frame] = []
    swaps = 0

    def swap_and_double(frame: Frame) -> list[Frame]:
        nonlocal swaps
        if frame.event == "delta" and not held:
            held.append(frame)
            return []
        late, held[:] = held[:], []
        swaps += len(late)
        return [frame, *late, *late, frame] if frame.event == "delta" else [*late, frame, frame]

    wire.change = swap_and_double
    await enter(tab)
    await tab.ask(QUESTION)
    await expect_stored_once(tab, [QUESTION])

    assert swaps > 5
    assert len(set(await diary.texts())) > 5, "it did not stream"
    await expect_only_beginnings(diary, *tab.stored_answers())


async def test_a_second_attempt_that_began_while_nothing_arrived_starts_afresh(
    tab: ChatPage, wire: Wire, diary: Diary, people: People, database: Database, faulty_model: FaultyModel
) -> None:
    give_a_long_answer(database, tab)
    faulty_model.add("finish", reason="RECITATION", question=QUESTION, after=40)
    faulty_model.add("stall", question=QUESTION, after=60, seconds=6)
    await enter(tab)
    asleep = False

    def sleep_in_the_first_attempt(frame: Frame) -> list[Frame]:
        nonlocal asleep
        asleep = asleep or (frame.event == "delta" and frame.payload["offset"] > 100)
        return [] if asleep else [frame]

    wire.change = sleep_in_the_first_attempt
    await tab.ask(QUESTION)
    await until(lambda: asleep and status(database, tab) == "failed", "the end of the first attempt")
    assert any("hook" in text for text in await diary.texts())
    # Somebody retries it elsewhere, and the second attempt writes something else.
    give_a_long_answer(database, tab, "colour")
    question = str(tab.stored()[0]["id"])
    people.signed_in(tab.member.user).post("/rpc/retry_reply", json={"message_id": question}).raise_for_status()
    await until(lambda: "colour" in draft(database, tab, attempt=2), "the second attempt to be under way")
    wire.change = lambda frame: [frame]
    await wake(tab.page)
    await expect(tab.answer()).to_contain_text("colour")
    await tab.expect_state("writing")

    await expect_stored_once(tab, [QUESTION])
    [answer] = tab.stored_answers()
    await expect_only_beginnings(diary, answer.replace("colour", "hook"), answer)


async def test_a_page_that_wakes_reads_what_it_slept_through(tab: ChatPage, wire: Wire, people: People) -> None:
    await enter(tab)
    await tab.ask(FIRST)
    await expect_stored_once(tab, [FIRST])
    await ask_unheard(tab, wire, people)

    await wake(tab.page)
    await expect_stored_once(tab, [FIRST, SECOND])


async def test_what_came_before_a_new_channel_is_read(tab: ChatPage, wire: Wire, people: People) -> None:
    await enter(tab)
    await tab.ask(FIRST)
    await expect_stored_once(tab, [FIRST])
    await ask_unheard(tab, wire, people)

    # With news that are fresh, nothing but the new channel is a reason to read.
    wire.repeat("reply")
    wire.close_channel(f"realtime:chat:{tab.session()}")
    wire.change = lambda frame: [frame]
    await expect_stored_once(tab, [FIRST, SECOND])


async def ask_unheard(tab: ChatPage, wire: Wire, people: People) -> None:
    """From elsewhere, while nothing arrives at the page, which has no reason to read."""
    await come_to_rest(tab, wire)
    wire.change = lambda frame: []
    session = tab.session()
    assert session
    people.ask(Chat(tab.member.user, tab.member.post, tab.member.analysis, session), SECOND)
    await until(lambda: len(tab.stored_answers()) == 2, "the answer that the page does not hear of", seconds=20)
    assert await tab.turns.count() == 1


def status(database: Database, page: ChatPage) -> str:
    """Of the newest reply."""
    row = database.execute(
        "select status from public.chat_replies where session_id = %s order by created_at desc limit 1",
        [page.session()],
    ).fetchone()
    return row["status"] if row else ""
