"""A chat as a PDF: in every script, as text and nothing else, and within its limits."""

import io
import threading
import traceback
from pathlib import Path

import pytest
from pypdf import PageObject, PdfReader

from tests.support.exports import (
    ANSWER,
    HARMFUL,
    SCRIPTS,
    exported,
    message,
    read,
    squeezed,
)
from worker.web.export import Busy, TooLong, render
from worker.web.export import pdf as pdf_format


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_is_set(script: str) -> None:
    pdf = read(render("pdf", exported(message(1, SCRIPTS[script], f"**{SCRIPTS[script]}**")))[0])

    # Where letters run to the left or change their places, the reader gives them in the order of their shapes.
    if script in ("Arabic", "Hebrew", "Devanagari", "Thai"):
        assert set(squeezed(SCRIPTS[script])) <= set(pdf.text)
    else:
        assert pdf.text.count(squeezed(SCRIPTS[script])) >= 2


def test_every_font_is_embedded() -> None:
    pdf = read(render("pdf", exported(message(1, "\n".join(SCRIPTS.values()), ANSWER)))[0])
    fonts = [font.get_object() for page in pdf.pages for font in page["/Resources"]["/Font"].values()]
    descendants = [font["/DescendantFonts"][0].get_object() for font in fonts if "/DescendantFonts" in font]

    names = {font["/BaseFont"].partition("+")[2].partition("-")[0] for font in descendants}
    assert {
        "NotoSansCJKsc",
        "NotoSansArabic",
        "NotoSansHebrew",
        "NotoSansDevanagari",
        "NotoSansThai",
        "NotoEmoji",
    } <= names
    for font in descendants:
        assert {"/FontFile2", "/FontFile3"} & set(font["/FontDescriptor"])


def test_markup_in_any_place_is_text() -> None:
    transcript = exported(
        message(1, HARMFUL, HARMFUL), creator=HARMFUL, caption=HARMFUL, url=HARMFUL, metrics={HARMFUL: HARMFUL}
    )

    assert read(render("pdf", transcript)[0]).text.count(squeezed('#panic("x")#read("/etc/passwd")')) >= 6


def test_an_answer_is_set_without_images_and_with_safe_links_only() -> None:
    pdf = read(render("pdf", exported(message(1, "why", ANSWER)))[0])
    links = [
        note.get_object()["/A"]["/URI"]
        for page in pdf.pages
        for note in page.get("/Annots", [])
        if "/A" in note.get_object()
    ]

    assert set(links) == {"https://example.com/a"}
    assert not any(page.images for page in pdf.pages)
    assert "tracker.example" not in pdf.text
    for part in ("[a tracking pixel]", 'inline("code")', '#panic("in code")', "48,210", "quoted", "nested"):
        assert squeezed(part) in pdf.text
    assert squeezed('<script>alert("in an answer")</script>') in pdf.text
    assert squeezed('#panic("in an answer") $x$ @cite <label>') in pdf.text


def test_a_long_message_runs_over_pages_and_loses_nothing() -> None:
    words = " ".join(f"word{number}" for number in range(600))[:4000]

    pdf = read(render("pdf", exported(message(1, words, words)))[0])

    assert len(pdf.pages) > 1
    assert "1/" + str(len(pdf.pages)) in pdf.text
    assert pdf.text.count("word599") + pdf.text.count(squeezed(words)[-7:]) >= 2


@pytest.mark.parametrize("letter", ["a", "Ж", "🥐", "字"])
def test_a_word_without_end_is_broken(letter: str) -> None:
    pdf = PdfReader(io.BytesIO(render("pdf", exported(message(1, letter * 2000)))[0]))

    assert max(x for page in pdf.pages for x in positions(page)) < float(pdf.pages[0].mediabox.width)
    assert sum(page.extract_text().count(letter) for page in pdf.pages) >= 2000


def positions(page: PageObject) -> list[float]:
    found: list[float] = []
    page.extract_text(visitor_text=lambda text, cm, tm, font, size: found.append(tm[4] + len(text) * 4))
    return found


def test_more_pdfs_than_cores_are_not_set_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_format, "_slots", threading.BoundedSemaphore(1))
    transcript = exported()

    with pdf_format._slots, pytest.raises(Busy):
        render("pdf", transcript)

    assert render("pdf", transcript)[0].startswith(b"%PDF")


def test_a_pdf_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_format, "LONGEST", 0.001)

    with pytest.raises(TooLong):
        render("pdf", exported())


def test_a_typesetter_that_the_system_ends_found_the_chat_too_long(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    replace_typesetter(monkeypatch, tmp_path, "import os; os.abort()")

    with pytest.raises(TooLong):
        render("pdf", exported())


def test_what_a_failed_typesetter_prints_stays_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    replace_typesetter(monkeypatch, tmp_path, "import sys; sys.exit(sys.stdin.read())")

    with pytest.raises(RuntimeError) as failure:
        render("pdf", exported())

    assert "lena" not in "".join(traceback.format_exception(failure.value))


def replace_typesetter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str) -> None:
    (tmp_path / "typesetter.py").write_text(program)
    monkeypatch.setattr(pdf_format, "_TYPESETTER", tmp_path / "typesetter.py")


@pytest.mark.parametrize("text", ["> " * 60 + "deep", "\n".join("  " * n + f"- level {n}" for n in range(40))])
def test_deep_nesting_is_no_trap(text: str) -> None:
    pdf = read(render("pdf", exported(message(1, "why", text)))[0])

    assert ("deep" if "deep" in text else "level39") in pdf.text
