"""The texts so far: saved by pieces, and what was not stored is sent again."""

import asyncio
import time
from typing import Any

import pytest

from tests.support.replies import claim_of, replies_of
from worker.claim import Claim
from worker.upkeep.drafts import PIECE_CHARACTERS, PIECE_SECONDS, DraftSaver


def written(characters: int, saved: int = 0, seconds_ago: float = 0.0, message_id: str = "m") -> Claim:
    """So many characters written, of which so many were saved so long ago."""
    claim = claim_of(message_id)
    claim.text, claim.saved = "x" * characters, saved
    claim.saved_at = time.monotonic() - seconds_ago
    return claim


class FakeReplies:
    def __init__(self) -> None:
        self.saved: list[list[str]] = []

    async def save_drafts(self, claims: list[Claim]) -> None:
        self.saved.append([claim.message_id for claim in claims])


async def saved_of(*claims: Claim) -> list[list[str]]:
    replies: Any = FakeReplies()
    await DraftSaver(replies, lambda: list(claims)).step()
    return replies.saved


def test_a_piece_is_what_is_promised() -> None:
    assert (PIECE_CHARACTERS, PIECE_SECONDS) == (500, 3.0)


@pytest.mark.parametrize(
    ("characters", "saved", "seconds_ago", "is_saved"),
    [
        (499, 0, 0.0, False),
        (500, 0, 0.0, True),
        (900, 500, 0.0, False),
        (1000, 500, 0.0, True),
        (1, 0, PIECE_SECONDS / 2, False),
        (1, 0, PIECE_SECONDS, True),
        (0, 0, 60.0, False),
        (700, 700, 60.0, False),
    ],
)
async def test_it_is_saved_when_it_has_grown_by_a_piece_or_was_not_saved_for_some_seconds(
    characters: int, saved: int, seconds_ago: float, is_saved: bool
) -> None:
    assert await saved_of(written(characters, saved, seconds_ago)) == ([["m"]] if is_saved else [])


async def test_all_that_are_due_go_together_and_no_others() -> None:
    claims = [written(600, message_id="m1"), written(1, message_id="m2"), written(600, message_id="m3")]
    assert await saved_of(*claims) == [["m1", "m3"]]


async def test_nothing_is_saved_while_its_attempt_is_being_settled() -> None:
    claim = written(600)
    claim.settling = True
    assert await saved_of(claim) == []


async def test_only_what_is_new_is_sent_and_what_was_not_stored_again() -> None:
    """Another had the row locked at first; then the answer got lost of what was stored up to 700."""
    stored = {"message_id": "m", "attempt": 1}
    database, replies = replies_of(
        save_drafts=([], TimeoutError("x"), [{**stored, "stored": 700}], [{**stored, "stored": 900}])
    )
    saver = DraftSaver(replies, lambda: [claim])
    claim = claim_of()

    claim.text = "a" * 500
    await saver.step()
    assert claim.saved == 0
    claim.text += "b" * 200
    with pytest.raises(Exception, match="save_drafts"):
        await saver.step()
    assert claim.saved == 0
    claim.text += "c" * 200
    await saver.step()
    assert claim.saved == 700
    claim.saved_at -= PIECE_SECONDS
    await saver.step()
    assert claim.saved == 900

    pieces = [words["pieces"][0] for words in database.words("save_drafts")]
    assert [(piece["starts_at"], len(piece["content"])) for piece in pieces] == [
        (0, 500),
        (0, 700),
        (0, 900),
        (700, 200),
    ]
    assert {name: pieces[3][name] for name in ("message_id", "attempt", "version")} == {
        "message_id": "m",
        "attempt": 1,
        "version": 1,
    }
    assert all(words["worker_id"] == replies.worker_id for words in database.words("save_drafts"))


async def test_saving_starts_the_seconds_anew() -> None:
    _, replies = replies_of(save_drafts=[{"message_id": "m", "attempt": 1, "stored": 1}])
    claim = written(1, seconds_ago=60.0)
    saver = DraftSaver(replies, lambda: [claim])

    await saver.step()
    claim.text += "x"
    before = claim.saved
    await saver.step()

    assert (before, claim.saved) == (1, 1)
    assert time.monotonic() - claim.saved_at < PIECE_SECONDS


async def test_a_word_on_the_last_attempt_says_nothing_of_this_one() -> None:
    database, replies = replies_of(save_drafts=[{"message_id": "m", "attempt": 1, "stored": 600}])
    database.gates["save_drafts"] = asyncio.Event()
    claim = written(600)
    saving = asyncio.create_task(replies.save_drafts([claim]))
    await database.reached.wait()

    claim.begin(2)
    database.gates["save_drafts"].set()
    await saving

    assert claim.saved == 0
