"""Two hundred open pages come back after a restart of Realtime, where joins are limited to 20 a second.

python -m tests.bench.reconnect

Reports when the pages were live again, counted from the moment when Realtime answered again, and how many came
back in the same quarter of a second: in lockstep, they run into the limit together. Fails if one is not live
within 30 s. `--chat` takes another revision's client.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import psycopg
from psycopg.rows import dict_row

from tests.support.people import People
from tests.support.waiting import wait_for
from worker.local.settings import Ports
from worker.local.stack import NODE, ROOT, Stack

SCRIPT = Path(__file__).with_name("reconnect.mjs")
FIRST_PATIENCE = 300.0  # seconds until all pages are live for the first time
IN_TIME = 30.0  # seconds
WINDOW = 0.25  # seconds, in which those that come back count as in step


class Pages:
    """The pages, as a process of their own; who is live since when."""

    def __init__(self, stack: Stack, count: int, chat: Path, spread: float) -> None:
        with (
            psycopg.connect(stack.environment["DATABASE_URL"], autocommit=True, row_factory=dict_row) as connection,
            People(stack.environment, connection) as people,
        ):
            chats = [people.make_chat() for _ in range(count)]
        self.count = count
        self.live: dict[int, float] = {}
        """Seconds since 1970, by page."""
        self._process = subprocess.Popen(
            [str(NODE), str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin
        told = {
            "url": stack.environment["SUPABASE_URL"],
            "key": stack.environment["SUPABASE_PUBLISHABLE_KEY"],
            "chat": chat.resolve().as_uri(),
            "spreadMs": spread * 1000,
            "pages": [{"token": each.user.token, "session": str(each.session)} for each in chats],
        }
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        threading.Thread(target=self._listen, name="pages", daemon=True).start()

    def end(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(10)

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            page, is_live, at = json.loads(line)
            if is_live:
                self.live[page] = at / 1000
            else:
                self.live.pop(page, None)


def refusals(stack: Stack) -> Counter[str]:
    """By the limit, until now."""
    log = (stack.directory / "logs/realtime.log").read_text()
    return Counter(joins=log.count("ClientJoinRateLimitReached"), handshakes=log.count("handshake refused: 429"))


def report(taken: list[float], missing: int, refused: Counter[str]) -> bool:
    """Whether all was well. `taken` in seconds, sorted."""
    steps = Counter(int(seconds / WINDOW) for seconds in taken)
    print("seconds  pages that came back")
    for second, pages in sorted(Counter(int(seconds) for seconds in taken).items()):
        print(f"{second:7}  {pages:3} {'#' * (pages // 2)}")
    if taken:
        p50, p95 = (taken[int(len(taken) * share)] for share in (0.5, 0.95))
        print(f"live again: p50 {p50:.1f} s, p95 {p95:.1f} s, last {taken[-1]:.1f} s; {missing} not at all")
        print(f"at most {max(steps.values())} within {WINDOW} s")
    print(f"{refused['joins']} joins and {refused['handshakes']} handshakes were refused")
    return not missing and taken[-1] <= IN_TIME


def run(stack: Stack, options: argparse.Namespace) -> bool:
    pages = Pages(stack, options.pages, options.chat, spread=options.pages / options.joins_per_second)
    try:
        began = time.monotonic()
        wait_for(lambda: len(pages.live) == pages.count, "all pages", FIRST_PATIENCE)
        print(f"{pages.count} pages are live after {time.monotonic() - began:.0f} s; Realtime is restarted")
        refused = refusals(stack)
        stack.realtime.stop()
        wait_for(lambda: not pages.live, "all pages to notice", IN_TIME)
        stack.realtime.start()
        back = time.time()
        deadline = time.monotonic() + 2 * IN_TIME
        while len(pages.live) < pages.count and time.monotonic() < deadline:
            time.sleep(0.1)
        taken = sorted(max(0.0, at - back) for at in pages.live.values())
        return report(taken, pages.count - len(taken), refusals(stack) - refused)
    finally:
        pages.end()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--pages", type=int, default=200)
    options.add_argument("--joins-per-second", type=int, default=20)
    options.add_argument("--tick-ms", type=int, default=100, help="The limit is judged over twelve of these.")
    options.add_argument("--chat", type=Path, default=ROOT / "worker/web/ui/chat/client.ts")
    chosen = options.parse_args()
    limits = {
        "REALTIME_MAX_JOINS_PER_SECOND": str(chosen.joins_per_second),
        "REALTIME_RATE_TICK_MS": str(chosen.tick_ms),
        "REALTIME_MAX_EVENTS_PER_SECOND": "100000",
        "REALTIME_MAX_CONCURRENT_USERS": "100000",
    }
    with (
        tempfile.TemporaryDirectory() as directory,
        Stack(
            Path(directory),
            ports=Ports.free(),
            worker=False,
            web=False,
            model=False,
            durable=False,
            realtime_environment=limits,
        ) as stack,
    ):
        well = run(stack, chosen)
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
