"""How many words a text has, with and without blanks between them."""

import pytest

from worker.prompt.words import beginning, count


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        (" \n\u2028", 0),
        ("one two\nthree", 3),
        ("- one, two", 3),
        ("a" * 20, 1),
        ("a" * 21, 2),
        ("x" * 100_000, 5_000),
        ("知識は力である", 4),
        ("知識 power力", 3),
        ("ความรู้คืออำนาจ", 3),
        ("ຄວາມຮູ້ຄືອຳນາດ", 3),
        ("ចំណេះដឹងជាអំណាច", 3),
        ("ဗဟုသုတသည်အစွမ်း", 3),
        ("아는 것이 힘이다", 3),
        ("знание сила", 2),
    ],
    ids=ascii,
)
def test_words(text: str, words: int) -> None:
    assert count(text) == words


@pytest.mark.parametrize("text", ["one two  three\n- four", "知識は力である one", "x" * 100])
def test_a_beginning_has_so_many_words(text: str) -> None:
    for words in range(count(text) + 1):
        kept = beginning(text, words)
        assert text.startswith(kept)
        assert count(kept) == words
    assert beginning(text, count(text)) == text
