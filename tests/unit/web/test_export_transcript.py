"""What of a chat is exported: every question, and the answer that counts."""

import pytest

from tests.support.exports import SESSION, exported, message, session, text_of
from worker.web.export import read_transcript


def test_a_long_chat_is_read_whole_and_in_order() -> None:
    transcript = exported(*(message(turn, f"question {turn}", f"answer {turn}") for turn in range(1, 1101)))

    assert [turn.question for turn in transcript.turns] == [f"question {turn}" for turn in range(1, 1101)]


def test_an_api_with_smaller_pages_is_read_to_its_end() -> None:
    rows = [message(turn, "why") for turn in range(1, 8)]
    pages = {"gt.0": rows[:3], "gt.3": rows[3:6], "gt.6": rows[6:], "gt.7": []}

    transcript = read_transcript(
        lambda path, params: [session()] if path == "chat_sessions" else pages[params["turn"]], SESSION
    )

    assert transcript is not None
    assert [turn.number for turn in transcript.turns] == list(range(1, 8))


def test_a_chat_that_is_not_there_is_none() -> None:
    assert read_transcript(lambda path, params: [], SESSION) is None


def test_the_newest_answer_counts() -> None:
    row = message(1, "why", "old")
    answers = row["reply"]["question"]["answers"]
    answers.insert(0, {**answers[0], "content": "new", "version": 2})

    assert exported(row).turns[0].answer == "new"


@pytest.mark.parametrize("status", ["pending", "failed", "cancelled"])
def test_where_the_next_version_is_not_there_the_one_before_counts(status: str) -> None:
    row = message(1, "why", "because", status=status, **({"error_code": "timed_out"} if status == "failed" else {}))
    row["reply"]["version"] = 2

    [turn] = exported(row).turns

    assert (turn.answer, turn.note, turn.state, turn.error_code) == ("because", None, "completed", None)


@pytest.mark.parametrize(
    ("reason", "word"), [("max_tokens", "cut"), ("repeating", "repeat itself"), ("cancelled", "stopped")]
)
def test_an_answer_that_is_not_whole_says_so(reason: str, word: str) -> None:
    row = message(1, "why", "because")
    row["reply"]["question"]["answers"][0]["finish_reason"] = reason

    assert word in text_of("txt", exported(row))
