"""An analysis as readable text, of at most 300 words."""

import pytest

from tests.support.prompts import ANALYSIS, SUMMARY, body_of, build_analysis_summary, instruction, instruction_within
from worker.prompt.budget import ANALYSES_SHARE
from worker.prompt.token_count import estimate


def test_summary_of_an_analysis() -> None:
    assert build_analysis_summary(ANALYSIS) == SUMMARY


@pytest.mark.parametrize("missing", ["quick_takeaways", "creator_context", "viral_status", "frameworks"])
@pytest.mark.parametrize("empty", [None, "", []])
def test_what_an_analysis_lacks_is_left_out(missing: str, empty: object) -> None:
    label = missing.replace("_", " ").capitalize()

    assert label in SUMMARY
    assert label not in build_analysis_summary({**ANALYSIS, missing: empty})


def test_an_empty_analysis_is_an_empty_summary() -> None:
    assert build_analysis_summary({}) == ""
    assert body_of(instruction(analyses=[{}]), "analysis") == ""


def words_of(summary: str) -> list[str]:
    """Without the notices."""
    lines = [line for line in summary.splitlines() if " shortened: " not in line]
    return [word for line in lines for word in line.split() if word != "…"]


@pytest.mark.parametrize("length", [299, 300, 301, 5_000])
def test_a_summary_has_at_most_300_words(length: int) -> None:
    # The label and the bullets are words too.
    summary = build_analysis_summary({"viral_status": " ".join(["word"] * (length - 2))})

    assert len(words_of(summary)) == min(length, 300)
    assert (" …\nViral status shortened: these are the first 1,489 of its " in summary) == (length > 300)


def test_a_long_summary_keeps_its_lines() -> None:
    takeaways = [f"number {n} of many" for n in range(200)]

    *lines, notice = build_analysis_summary({"quick_takeaways": takeaways}).splitlines()

    assert lines[:3] == ["Quick takeaways:", "- number 0 of many", "- number 1 of many"]
    assert lines[:-1] == ["Quick takeaways:", *(f"- number {n} of many" for n in range(len(lines) - 2))]
    assert lines[-1].endswith("…")
    assert notice.startswith("Quick takeaways shortened: these are the first ")
    assert len(words_of("\n".join(lines))) == 300


def test_no_section_of_an_analysis_takes_the_words_of_another() -> None:
    long = {**ANALYSIS, "quick_takeaways": ["word " * 5_000], "frameworks": ["word " * 5_000]}

    summary = build_analysis_summary(long)

    for short in ("Creator context: A baker who bakes.", "Viral status: Viral.", "- The hook held 83.21%."):
        assert short in summary.splitlines()
    assert len(words_of(summary)) == 300


@pytest.mark.parametrize(
    ("letters", "most"),
    [("知識は力である。", 600), ("ความรู้คืออำนาจ", 1_500), ("ចំណេះដឹងជាអំណាច", 1_500), ("x", 6_000)],
    ids=["japanese", "thai", "khmer", "one word"],
)
def test_a_summary_without_blanks_has_300_words_too(letters: str, most: int) -> None:
    """At two, five and twenty characters a word."""
    text = (letters * 20_000)[:20_000]

    shown, notice = build_analysis_summary({"viral_status": text}).splitlines()

    assert most - 50 <= len(shown) <= most + 20
    assert notice.endswith(" of its 20,000 characters")


def test_analyses_stay_within_their_share_of_tokens() -> None:
    """Words of dear characters: 300 are more than that."""
    text = instruction_within(8_000, analyses=[{"viral_status": "\U00013000" * 20_000}] * 2)

    body = body_of(text, "analysis")
    assert body.count("Viral status shortened: these are the first ") == 2
    assert estimate(body) <= int((8_000 - estimate(instruction(posts=[], analyses=[]))) * ANALYSES_SHARE)
