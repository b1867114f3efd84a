"""What of an answer is shown and stored."""

import pytest

from tests.support.answering import claimed, told
from tests.support.fake_provider import FakeStream, Piece
from worker import answer as answer_module
from worker.rows import FinishReason, Message
from worker.text import utf16_length


async def test_an_answer_is_shown_and_stored() -> None:
    provider, replies, broadcaster = await told(FakeStream("Hel", "lo"))

    assert [model for model, _ in provider.asked] == ["first"]
    assert provider.asked[0][1].turns[-1] == Message("user", "Why?")
    assert broadcaster.sent == [(1, 0, "Hel"), (1, 3, "lo"), "flush"]
    assert replies.settled == [("complete", "Hello", "stop")]


async def test_the_finish_reason_is_that_of_the_stream() -> None:
    _, replies, _ = await told(FakeStream("long", finish=FinishReason.MAX_TOKENS))

    assert replies.settled == [("complete", "long", "max_tokens")]


async def test_an_answer_that_repeats_itself_is_ended_and_kept_as_it_was_shown() -> None:
    sentence = "It asks a question, and holds back the answer. "
    heard: list[str] = []
    pieces: list[Piece] = [piece for _ in range(2_000) for piece in (sentence, lambda: heard.append(sentence))]
    claim = claimed()

    _, replies, broadcaster = await told(
        FakeStream("In short: ", *pieces, finish=FinishReason.MAX_TOKENS), claim=claim
    )

    assert replies.settled == [("complete", claim.text, "repeating")]
    assert broadcaster.sent.pop() == "flush"
    assert "".join(text for _, _, text in broadcaster.sent) == claim.text
    assert len(heard) < 90, "what it would say again is not waited for"


async def test_blank_lines_without_an_end_are_no_answer() -> None:
    _, replies, _ = await told(FakeStream(*["\n"] * 8_000), FakeStream("Because."))

    assert [settled[0] for settled in replies.settled] == ["next", "complete"]
    assert replies.settled[0][2] == "empty_reply"
    assert len(replies.settled[0][1]) < 4_000


async def test_offsets_count_as_javascript_does_and_text_is_clean() -> None:
    _, replies, broadcaster = await told(FakeStream("🧑", "\ud83c", "\udf73\x00", "x\ud83c"))

    assert broadcaster.sent == [(1, 0, "🧑"), (1, 2, "\U0001f373"), (1, 4, "x"), (1, 5, "\ufffd"), "flush"]
    assert replies.settled == [("complete", "🧑\U0001f373x\ufffd", "stop")]


async def test_lengths_are_counted_once_for_each_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting the whole text at each piece would be quadratic work in the event loop."""
    counted, claim = list[str](), claimed()

    def count(text: str) -> int:
        counted.append(text)
        return utf16_length(text)

    monkeypatch.setattr(answer_module, "utf16_length", count)

    await told(FakeStream("🧑a", "b🧑", "c"), claim=claim)

    assert counted == ["🧑a", "b🧑", "c"]
    assert claim.length == 7
