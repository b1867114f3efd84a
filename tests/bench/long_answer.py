"""What a reader feels while a long answer streams: whether the page moves, and whether typing stays smooth.

python -m tests.bench.long_answer

Somebody types their next question twice: at rest, and while 3,000 words come in. Reports for both the main
thread's tasks over 50 ms, the slowest keystroke until it is drawn, and what moved on the page without being
asked to. Fails if anything moved.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from playwright.async_api import async_playwright
from psycopg.rows import dict_row

from tests.support.browser import chromium
from tests.support.browser.chat_page import ChatPage, sign_up
from tests.support.faulty_model import FaultyModel
from tests.support.people import People
from worker.local.settings import Ports
from worker.local.stack import Stack

QUESTION = "Tell me everything about it."
NEXT_QUESTION = "And which of these would you change first, if there were time for one of them only?"
KEY_MS = 30  # between two keys: a fast typist
PACE_MS = 8  # between two pieces of the answer: several times as fast as Gemini
STILL = 0.001  # of layout shift, which is 0 where nothing moves

PART = """## {n}. The hook, the pace and the ending

The **first second** decides: it asks a *question* and holds back the answer, which [the guide](https://example.test)
calls an open loop. What comes after must be worth the wait, or nobody stays for the ending.

- People save what they mean to do later, and share what says something about them.
- A caption of `three lines` is read, one of ten is skipped.

| part | seconds | kept |
| --- | --- | --- |
| hook | 1 | 92 % |
| proof | 6 | 71 % |

"""
# Not by the browser's own "event" entries: a window that nobody looks at gives some of them a second too late.
WATCH = """() => {
  window.seen = { tasks: [], keys: [], shifted: 0 };
  const watch = (type, see) => new PerformanceObserver((list) => list.getEntries().forEach(see)).observe({ type });
  watch("longtask", (task) => seen.tasks.push(task.duration));
  watch("layout-shift", (shift) => { if (!shift.hadRecentInput) seen.shifted += shift.value; });
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data: pressed }) => seen.keys.push(performance.now() - pressed);
  document.onkeydown = (key) => requestAnimationFrame(() => port2.postMessage(key.timeStamp));
}"""


@dataclass(frozen=True)
class Feel:
    """Milliseconds; `shifted` is the sum of the layout shifts, a share of the window."""

    tasks: list[float]
    keys: list[float]
    shifted: float

    @property
    def slowest_key(self) -> float:
        """From the key to the end of the frame that shows it."""
        return max(self.keys)

    def __str__(self) -> str:
        longest = max(self.tasks, default=0)
        return (
            f"{len(self.tasks)} tasks over 50 ms (longest {longest:.0f} ms), "
            f"slowest key {self.slowest_key:.0f} ms, moved {self.shifted:.5f}"
        )


async def watched(tab: ChatPage) -> None:
    await tab.page.evaluate(WATCH)


async def felt(tab: ChatPage) -> Feel:
    return Feel(**await tab.page.evaluate("seen"))


async def type_next(tab: ChatPage) -> None:
    await tab.composer.fill("")
    await tab.composer.press_sequentially(NEXT_QUESTION, delay=KEY_MS)


async def measure(tab: ChatPage) -> tuple[Feel, Feel, float]:
    """At rest, while the answer streams, and the seconds which that took."""
    await tab.sign_in_to_chat()
    await watched(tab)
    await type_next(tab)
    at_rest = await felt(tab)

    await tab.ask(QUESTION)
    await tab.expect_state("writing")
    await watched(tab)
    started = time.monotonic()
    await type_next(tab)
    await tab.expect_answers(1, timeout_ms=120_000)
    return at_rest, await felt(tab), time.monotonic() - started


async def run(stack: Stack, words: int) -> bool:
    """Whether nothing moved."""
    parts = words // len(PART.split()) + 1
    text = "".join(PART.format(n=n) for n in range(1, parts + 1))
    connection: psycopg.Connection[dict[str, Any]]
    with (
        psycopg.connect(stack.environment["DATABASE_URL"], autocommit=True, row_factory=dict_row) as connection,
        People(stack.environment, connection) as people,
        FaultyModel(stack.environment["GEMINI_BASE_URL"]) as model,
    ):
        model.add("say", question=QUESTION, text=text, pace_ms=PACE_MS)
        async with async_playwright() as playwright:
            browser = await chromium.launch(playwright)
            page = await browser.new_page()
            tab = ChatPage(page, stack.environment["WEB_URL"], sign_up(stack, people), connection)
            at_rest, streaming, seconds = await measure(tab)
            await browser.close()
    print(f"{len(text.split()):,} words ({len(text):,} characters) in {seconds:.1f} s, {len(NEXT_QUESTION)} keys")
    print(f"at rest:   {at_rest}")
    print(f"streaming: {streaming}")
    print(f"slowest key, streaming to at rest: {streaming.slowest_key / at_rest.slowest_key:.1f}")
    return streaming.shifted < STILL


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--words", type=int, default=3_000)
    chosen = options.parse_args()
    with (
        tempfile.TemporaryDirectory() as directory,
        Stack(Path(directory), ports=Ports.free(), durable=False, model_arguments=("--faults",)) as stack,
    ):
        still = asyncio.run(run(stack, chosen.words))
    sys.exit(0 if still else 1)


if __name__ == "__main__":
    main()
