"""The chat page as a person uses it, by roles and names; and what the database knows of the same chat."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
from playwright.async_api import Locator, Page, expect

from tests.people import People, User
from worker.local.stack import Stack

Database = psycopg.Connection[dict[str, Any]]

PASSWORD = "a-long-password"
ANSWER_MS = 20_000  # an answer takes a second or two; this is for a machine that has much else to do

# Without times and buttons. By their layout, or the last word of a paragraph would touch the first of the next.
_READ_TURNS = """items => items.map(item => {
  const text = name => [...item.querySelectorAll(`article[aria-label^="${name}"] > :not(footer, time)`)]
    .map(part => part.innerText).join(" ");
  return { state: item.dataset.state, question: text("You"), answer: text("Assistant") };
})"""


@dataclass(frozen=True)
class Member:
    """Somebody with a password and one analysed post, who has not asked anything yet."""

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
        self._database = database

    # ------------------------------------------------ on the way to the chat

    async def sign_in(self, password: str = PASSWORD) -> None:
        await self.page.goto(self.address)
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

    async def go_to_chat(self) -> None:
        """By its address, in a tab that is signed in: as from a bookmark."""
        await self.page.goto(f"{self.address}/#/posts/{self.member.analysis}/chat")
        await expect(self.chat).to_be_visible()

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
        """Typed into the composer, and sent with Enter."""
        await self.composer.fill(text)
        await self.composer.press("Enter")

    async def expect_state(self, state: str, number: int = -1, timeout_ms: int = ANSWER_MS) -> None:
        await expect(self.turn(number)).to_have_attribute("data-state", state, timeout=timeout_ms)

    async def expect_answers(self, count: int, timeout_ms: int = ANSWER_MS) -> None:
        """All of `count` turns are completed, and no more are there."""
        await expect(self.turns).to_have_count(count, timeout=timeout_ms)
        for number in range(count):
            await self.expect_state("completed", number, timeout_ms)

    async def ask_and_wait(self, text: str) -> str:
        """The answer as it is seen, word for word the stored one."""
        before = await self.turns.count()
        await self.ask(text)
        await self.expect_answers(before + 1)
        answer = (await self.seen())[-1].answer
        assert answer == as_read(self.stored_answers()[-1])
        return answer

    # ------------------------------------------------ what is stored

    def session(self) -> UUID | None:
        """The chat's id; None while there is none."""
        row = self._database.execute(
            "select id from public.chat_sessions where post_analysis_id = %s", [self.member.analysis]
        ).fetchone()
        return row["id"] if row else None

    def stored(self) -> list[dict[str, Any]]:
        """The messages of the chat, in their order."""
        return self._database.execute(
            """select m.* from public.chat_messages m join public.chat_sessions s on s.id = m.session_id
            where s.post_analysis_id = %s order by m.turn, m.role desc, m.version""",
            [self.member.analysis],
        ).fetchall()

    def stored_answers(self) -> list[str]:
        return [row["content"] for row in self.stored() if row["role"] == "assistant"]
