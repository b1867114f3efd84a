"""What the worker itself spends on a long answer in many pieces, without the provider's library.

python -m tests.bench.long_stream

Seconds of processor for one answer of 32,768 characters in 8,192 pieces (a token each, the default
MAX_OUTPUT_TOKENS): what was said already, cleaning, looking for repetition, offsets, and the pieces that wait to be
sent. Also for twice, four and eight times as much. Fails above half a second for the first.
"""

import asyncio
import contextlib
import random
import sys
import time
from collections.abc import AsyncIterator
from typing import Any, cast

from worker.answer import Answerer
from worker.claim import Claim
from worker.config import WorkerSettings
from worker.database.replies import Replies
from worker.model.admission import Admission
from worker.model.pricing import Prices
from worker.prompt.budget import Budget
from worker.prompt.context import Prompt
from worker.realtime.broadcast import Broadcaster
from worker.rows import Call, Reply
from worker.telemetry.reply import ReplyTelemetry
from worker.telemetry.traces import Traces
from worker.text import Unrepeated

PIECES, CHARACTERS = 8_192, 4
MOST_SECONDS = 0.5
ALPHABETS = {"ASCII": "abcdefghijklmnopqrstuvwxyz .,\n", "Japanese": "あいうえおかきくけこ。", "emoji": "🧑🍳🎉😀x "}


class Stream:
    usage = finish_reason = model_version = None
    first_token_ms = latency_ms = 0
    sign_of_life, usage_is_final = True, False

    def __init__(self, pieces: list[str]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[str]:
        unrepeated = Unrepeated()
        for piece in self._pieces:
            yield unrepeated.rest(piece)


class Provider:
    def __init__(self, pieces: list[str]) -> None:
        self._pieces = pieces

    @contextlib.asynccontextmanager
    async def stream(self, model: str, prompt: Prompt) -> AsyncIterator[Stream]:
        yield Stream(self._pieces)


async def seconds(pieces: list[str]) -> float:
    settings = WorkerSettings(
        _env_file=None,
        supabase_url="http://unused",
        supabase_secret_key=cast("Any", "unused"),
        gemini_api_key=cast("Any", "unused"),
    )
    broadcaster = Broadcaster(settings)
    answerer = Answerer(
        cast("Replies", None),
        Provider(pieces),
        broadcaster,
        Admission(["m"]),
        Budget(32_000),
        ReplyTelemetry(Traces()),
        Prices.load(),
        60.0,
    )
    claim = Claim(Reply("m1", "s1", "u1", 1, 1, 4, "?", [], [], []), "w1", 1, 4)
    call = Call("p", "m")
    begun = time.process_time()
    finish_reason = await answerer._stream(claim, call, Prompt("", []))
    spent = time.process_time() - begun
    await broadcaster.close()
    if (claim.text, finish_reason) != ("".join(pieces), "stop"):
        raise RuntimeError(f"It was not answered as a whole: {finish_reason}, {len(claim.text)} characters.")
    return spent


def main() -> None:
    generator = random.Random(7)  # noqa: S311
    worst = 0.0
    for name, alphabet in ALPHABETS.items():
        for times in (1, 2, 4, 8):
            pieces = ["".join(generator.choices(alphabet, k=CHARACTERS)) for _ in range(times * PIECES)]
            spent = asyncio.run(seconds(pieces))
            worst = max(worst, spent) if times == 1 else worst
            print(f"{name}: {len(pieces):,} pieces, {len(''.join(pieces)):,} characters: {spent:.3f} s")
    sys.exit(0 if worst < MOST_SECONDS else 1)


if __name__ == "__main__":
    main()
