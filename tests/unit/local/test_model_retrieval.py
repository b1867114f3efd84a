"""Facts are ranked by a question; words that no fact knows are told."""

import pytest

from worker.local.model.facts import Fact
from worker.local.model.retrieval import excerpt, rank
from worker.local.model.terms import terms_of
from worker.local.model.tokens import count_tokens, pieces, truncate
from worker.local.model.words import stem, words

FACTS = [
    Fact("insights", "Key insight", "The flimbert hook held 83.21% of viewers."),
    Fact("insights", "Key insight", "The opening is slow, and the music stops."),
    Fact("insights", "Key insight", "Replace #breadtok with words that people search for."),
]


def test_the_fact_with_the_rarest_words_comes_first():
    ranking = rank(terms_of("What about the flimbert hook?"), FACTS)

    assert ranking.hits[0].fact is FACTS[0]
    assert ranking.coverage == 1


def test_a_synonym_finds_but_counts_for_less_than_the_word_itself():
    first, second = rank(terms_of("hooks"), FACTS).hits

    assert (first.fact, second.fact) == (FACTS[0], FACTS[1])
    assert first.exact
    assert not second.exact


def test_unknown_words_are_named_and_lower_the_coverage():
    ranking = rank(terms_of("flimbert bitcoin"), FACTS)

    assert ranking.unknown == ["bitcoin"]
    assert 0 < ranking.coverage < 0.6


def test_a_hash_sign_is_a_hashtag():
    assert rank(terms_of("hashtags"), FACTS).hits[0].fact is FACTS[2]


def test_of_a_long_text_the_matching_sentences_are_quoted_with_gaps_marked():
    text = " ".join(f"Sentence number {n} is about nothing at all, at length." for n in range(20))
    long = f"{text} The flimbert is here. {text}"

    shown = excerpt(long, ["flimbert"])

    assert "The flimbert is here." in shown
    assert " … " in shown
    assert len(shown) < 500


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("hooks", "hook"),
        ("saving", "saves"),
        ("improvements", "improve"),
        ("stories", "story"),
        ("dropped", "drops"),
    ],
)
def test_forms_of_a_word_have_one_stem(one, other):
    assert stem(one) == stem(other)


def test_figures_stay_in_one_piece():
    assert words("Held 83.21% of 48,210 \u2013 it\u2019s Lena's") == [
        "held",
        "83.21",
        "of",
        "48,210",
        "it",
        "lena",
    ]


def test_pieces_are_one_or_two_words_and_join_to_the_text():
    text = "From the **analysis**:\n\n- one\n-  two three  "

    assert "".join(pieces(text)) == text
    assert all(1 <= len(piece.split()) <= 2 for piece in pieces(text))


def test_truncation_keeps_to_the_number_of_tokens():
    assert count_tokens(truncate("x" * 100, 7)) == 7
    assert count_tokens("") == 0
