"""The chat page as a person uses it, by roles and names; and the rows of the same chat."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
from playwright.async_api import Locator, Page, expect

from tests.support.people import People, User
from tests.support.waiting import until
from worker.local.stack import Stack

Database = psycopg.Connection[dict[str, Any]]

PASSWORD = "a-long-password"
ANSWER_MS = 20_000  # an answer takes a second or two; this is for a machine that has much else to do

# Without times, buttons and notes. By the layout, or the last word of a paragraph would touch the first of the next.
_READ_TURNS = """items => items.map(item => {
  const text = (name, part) => item.querySelector(`article[aria-label^="${name}"] > ${part}`)?.innerText ?? "";
  return { state: item.dataset.state, question: text("You", "p"), answer: text("Assistant", "div") };
})"""


# Runs in the page at each change, since polling from outside would miss short states.
_RECORD_GROWTH = """() => {
  window.growth = [];
  const look = () => {
    const writing = document.querySelector(".chat-turn[data-state=writing] article[aria-label=Assistant] > div");
    if (writing && window.growth.at(-1) !== writing.innerText) window.growth.push(writing.innerText);
  };
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


@dataclass(frozen=True)
class Member:
    """A user with a password and one analysed post, who has not asked anything yet."""

    email: str
    user: User
    post: UUID
    analysis: UUID


@dataclass(frozen=True)
class SeenTurn:
    """`state` is waiting, writing, completed, failed or cancelled; sending or unsent before it is stored."""

    state: str
    question: str
    answer: str


def sign_up(house: Stack, people: People) -> Member:
    email = f"{uuid4()}@example.test"
    signed_up = httpx.post(
        f"{house.environment['SUPABASE_URL']}/auth/v1/signup",
        headers={"apikey": house.environment["SUPABASE_PUBLISHABLE_KEY"]},
        json={"email": email, "password": PASSWORD},
        timeout=20,
    )
    signed_up.raise_for_status()
    body = signed_up.json()
    user = User(UUID(body["user"]["id"]), body["access_token"])
    return Member(email, user, *people.make_analysis(user))


def as_read(markdown: str) -> str:
    """A stored answer as its reader sees it: without marks, and with single spaces."""
    without_marks = re.sub(r"^\s*(?:[-*>]|#+|\d+\.)\s|[*`]", "", markdown, flags=re.MULTILINE)
    return " ".join(without_marks.split())


class ChatPage:
    """One tab of a member's. `address` is the page's; nothing is opened before the first call."""

    def __init__(self, page: Page, address: str, member: Member, database: Database) -> None:
        self.page = page
        self.address = address
        self.member = member
        self.database = database

    # ------------------------------------------------ on the way to the chat

    async def sign_in(self, password: str = PASSWORD, at: str = "/") -> None:
        """Through the form, which any place of the page asks for first."""
        await self.page.goto(self.address + at)
        await self.page.get_by_label("E-mail").fill(self.member.email)
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Sign in").click()

    async def open_post(self) -> None:
        posts = self.page.get_by_role("region", name="Your posts")
        await posts.get_by_role("link", name="mara").click()
        await expect(self.analysis.get_by_role("heading", level=2)).to_be_visible()

    async def open_chat(self) -> None:
        """From the post; "Ask a question" while there is no chat yet."""
        await self.analysis.get_by_role("link", name=re.compile("Ask a question|Go on with the chat")).click()
        await expect(self.chat).to_be_visible()

    async def sign_in_to_chat(self) -> None:
        """By its address, as from a bookmark."""
        await self.sign_in(at=self._place)
        await expect(self.composer).to_be_visible()

    async def go_to_chat(self) -> None:
        """By its address, in a tab that is signed in."""
        await self.page.goto(self.address + self._place)
        await expect(self.chat).to_be_visible()

    @property
    def _place(self) -> str:
        return f"/#/posts/{self.member.analysis}/chat"

    # ------------------------------------------------ what is there

    @property
    def analysis(self) -> Locator:
        return self.page.get_by_role("region", name="The post and its analysis")

    @property
    def chat(self) -> Locator:
        return self.page.get_by_role("region", name="Chat about this post")

    @property
    def scroller(self) -> Locator:
        return self.page.get_by_role("region", name="Conversation")

    @property
    def composer(self) -> Locator:
        return self.chat.get_by_role("textbox", name="Your question")

    @property
    def editor(self) -> Locator:
        """Of a question that is there already."""
        return self.chat.get_by_role("textbox", name="Edit your question")

    @property
    def send_button(self) -> Locator:
        return self.chat.get_by_role("button", name="Send", exact=True)

    @property
    def turns(self) -> Locator:
        """By class: items of lists in answers have the same role."""
        return self.chat.locator(".chat-turn")

    def turn(self, number: int = -1) -> Locator:
        """Counted from 0; the newest is the default."""
        return self.turns.nth(number)

    def question(self, number: int = -1) -> Locator:
        return self.turn(number).get_by_role("article", name=re.compile("^You"))

    def answer(self, number: int = -1) -> Locator:
        return self.turn(number).get_by_role("article", name="Assistant")

    async def seen(self) -> list[SeenTurn]:
        """All turns at one moment, their text as it is shown, with single spaces."""
        return [
            SeenTurn(each["state"], " ".join(each["question"].split()), " ".join(each["answer"].split()))
            for each in await self.turns.evaluate_all(_READ_TURNS)
        ]

    # ------------------------------------------------ what is done

    async def ask(self, text: str) -> None:
        """Typed into the composer, and sent with Enter; on a telephone by the button."""
        await self.composer.fill(text)
        if await self.page.evaluate("matchMedia('(pointer: coarse)').matches"):
            await self.send_button.tap()
        else:
            await self.composer.press("Enter")

    async def edit(self, text: str) -> None:
        """The newest question, put like this instead, and sent with Enter."""
        await self.turn().get_by_role("button", name="Edit this question").click()
        await self.editor.fill(text)
        await self.editor.press("Enter")

    async def regenerate(self) -> None:
        await self.turn().get_by_role("button", name="Regenerate").click()

    async def show_version(self, which: str) -> None:
        """Previous or Next."""
        await self.turn().get_by_role("button", name=f"{which} version").click()

    async def expect_version(self, count: str | None, text: str) -> None:
        """Of the newest answer: "2 of 3", or None where there is one; and what is read of it."""
        versions = self.turn().get_by_role("group", name="Versions of this answer")
        if count is None:
            await expect(versions).to_have_count(0)
        else:
            await expect(versions).to_contain_text(count)
        await expect(self.answer().locator(".chat-text")).to_have_text(text)

    async def expect_live(self) -> None:
        """The page has joined the chat's channel, and receives all later events."""
        await expect(self.composer).to_be_visible()
        await expect(self.chat.get_by_text("Connecting… Answers may come in with a delay.")).to_have_count(0)

    async def choose(self, action: str) -> None:
        """From the chat's options."""
        await self.page.get_by_text("Options", exact=True).click()
        await self.page.get_by_role("button", name=action, exact=True).click()

    async def expect_state(self, state: str, number: int = -1, timeout_ms: int = ANSWER_MS) -> None:
        await expect(self.turn(number)).to_have_attribute("data-state", state, timeout=timeout_ms)

    async def expect_answers(self, count: int, timeout_ms: int = ANSWER_MS) -> None:
        """All of `count` turns are completed, and no more are there."""
        await expect(self.turns).to_have_count(count, timeout=timeout_ms)
        for number in range(count):
            await self.expect_state("completed", number, timeout_ms)
        # Realtime reads the write-ahead log, and may report a commit shortly before other connections see it.
        await until(lambda: len(self.stored_answers()) >= count, "the database to show what the page shows")

    async def ask_and_wait(self, text: str) -> str:
        """The answer as it is seen, word for word the stored one."""
        before = await self.turns.count()
        await self.ask(text)
        await self.expect_answers(before + 1)
        answer = (await self.seen())[-1].answer
        stored = as_read(self.stored_answers()[-1])
        assert answer == stored, f"{answer!r} is seen, {stored!r} is stored"
        return answer

    async def record_growth(self) -> None:
        """From now on, what is seen of an answer while it is written."""
        await self.page.evaluate(_RECORD_GROWTH)

    async def growth(self) -> list[str]:
        """What was seen one after the other, each as `as_read` has it."""
        return [as_read(text) for text in await self.page.evaluate("window.growth")]

    # ------------------------------------------------ what is stored

    def session(self) -> UUID | None:
        """The chat's id; None while there is none."""
        row = self.database.execute(
            "select id from public.chat_sessions where post_analysis_id = %s", [self.member.analysis]
        ).fetchone()
        return row["id"] if row else None

    def stored(self) -> list[dict[str, Any]]:
        """The messages of the chat, in their order."""
        return self.database.execute(
            """select m.* from public.chat_messages m join public.chat_sessions s on s.id = m.session_id
            where s.post_analysis_id = %s order by m.turn, m.role desc, m.version""",
            [self.member.analysis],
        ).fetchall()

    def ledger(self) -> list[str]:
        """How the calls to the model ended, in their order."""
        rows = self.database.execute(
            """select l.outcome from public.external_api_call_logs l
            join public.chat_sessions s on s.id = l.session_id
            where s.post_analysis_id = %s order by l.started_at""",
            [self.member.analysis],
        ).fetchall()
        return [row["outcome"] for row in rows]

    def stored_answers(self) -> list[str]:
        return [row["content"] for row in self.stored() if row["role"] == "assistant"]
