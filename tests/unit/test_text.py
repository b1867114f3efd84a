"""Every text that leaves the cleaner is fit for Postgres and UTF-8, wherever the stream was cut."""

import re
import sys
import unicodedata
from pathlib import Path

import pytest

from worker.text import BLANKS, Cleaner, is_blank, utf16_length

MIGRATION = Path(__file__).resolve().parents[2] / "supabase/migrations/20261123100300_chats.sql"

HIGH, LOW, LOST = "\ud83d", "\ude00", "\ufffd"
GRIN = "\U0001f600"


def cleaned(*pieces: str) -> str:
    cleaner = Cleaner()
    return "".join([*(cleaner.clean(piece) for piece in pieces), cleaner.rest()])


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["plain"], "plain"),
        (["a\x00b", "\x00"], "ab"),
        ([f"a{HIGH}{LOW}b"], f"a{GRIN}b"),
        ([f"a{HIGH}", f"{LOW}b"], f"a{GRIN}b"),
        ([HIGH, "", LOW], GRIN),
        ([HIGH, "\x00", LOW], f"{LOST}{LOST}"),
        ([f"a{HIGH}b"], f"a{LOST}b"),
        ([f"a{HIGH}", "b"], f"a{LOST}b"),
        ([f"a{LOW}b"], f"a{LOST}b"),
        ([f"{HIGH}{HIGH}", LOW], f"{LOST}{GRIN}"),
        ([f"{LOW}{HIGH}"], f"{LOST}{LOST}"),
        ([f"a{HIGH}"], f"a{LOST}"),
        ([GRIN, "é\u2028"], f"{GRIN}é\u2028"),
        ([], ""),
    ],
)
def test_pieces_are_cleaned(pieces: list[str], expected: str) -> None:
    text = cleaned(*pieces)

    assert text == expected
    assert text.encode() == expected.encode()


def test_a_cut_at_any_place_changes_nothing() -> None:
    text = f"a\x00{GRIN}é{HIGH}x{LOW}🧑‍🍳"
    raw = text.encode("utf-16-le", "surrogatepass")
    units = [raw[at : at + 2].decode("utf-16-le", "surrogatepass") for at in range(0, len(raw), 2)]

    whole = cleaned(text)

    assert all(cleaned("".join(units[:cut]), "".join(units[cut:])) == whole for cut in range(len(units) + 1))
    assert cleaned(*units) == whole


def test_the_first_half_of_a_pair_is_not_shown_before_the_second() -> None:
    cleaner = Cleaner()

    assert cleaner.clean(f"a{HIGH}") == "a"
    assert cleaner.clean(LOW) == GRIN
    assert cleaner.rest() == ""


def test_what_was_held_is_given_once() -> None:
    cleaner = Cleaner()
    cleaner.clean(HIGH)

    assert cleaner.rest() == LOST
    assert cleaner.rest() == ""


@pytest.mark.parametrize("text", ["", "abc", "é\u2028\uffff", GRIN, f"a{GRIN}b{GRIN}", "🧑‍🍳", "\U0010ffff"])
def test_length_is_that_of_javascript(text: str) -> None:
    assert utf16_length(text) == len(text.encode("utf-16-le")) // 2


@pytest.mark.parametrize(
    "text", ["", " \n\0", "\u200b", "\u00a0", "\u2060\ufeff", "\u3164", "\u2800", "\U000e0041", "\ufe0f"]
)
def test_nothing_to_see(text: str) -> None:
    assert is_blank(text)
    assert not is_blank(f"{text}.")


@pytest.mark.parametrize("text", ["a", "\u200b?", GRIN, "\u0301", "\ue000", "\ufffd", LOW, "\u200f\u05d0"])
def test_something_to_see(text: str) -> None:
    assert not is_blank(text)


def test_no_space_control_or_format_is_anything_to_see() -> None:
    kinds = ("Cc", "Cf", "Zl", "Zp", "Zs")
    every = map(chr, range(sys.maxunicode + 1))
    assert [char for char in every if unicodedata.category(char) in kinds and not is_blank(char)] == []


def test_the_tables_check_has_the_same_characters() -> None:
    check = re.search(
        r"user_message_is_not_blank check \(.*?content ~ (.*?)\n  \),", MIGRATION.read_text(), re.DOTALL
    )
    assert check
    assert "".join(re.findall(r"'(.*?)'", check[1])) == f"[^{BLANKS}]"
