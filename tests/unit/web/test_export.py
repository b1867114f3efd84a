"""An exported chat holds the post, its analysis and every message, in every script, as text and nothing else."""

import io
import json
import re
import threading
import traceback
from datetime import UTC, datetime

import pytest
from markdown_it import MarkdownIt
from pypdf import PdfReader

from tests.support.exports import SESSION, exported, message, read, session, squeezed, text_of
from worker.web.export import FORMATS, Busy, TooLong, file_name, read_transcript, render
from worker.web.export import pdf as pdf_format
from worker.web.export.nodes import markdown, plain

SCRIPTS = {
    "Latin": "Crème brûlée, straße, Łódź",
    "Cyrillic": "Сколько лайков",
    "Greek": "Καλημέρα κόσμε",
    "Arabic": "مرحبا بالعالم",
    "Hebrew": "שלום עולם",
    "Devanagari": "नमस्ते दुनिया",
    "Thai": "สวัสดีชาวโลก",
    "Chinese": "你好世界",
    "Japanese": "こんにちは、世界",
    "Korean": "안녕하세요 세계",
    "emoji": "🥐 🎉 🚀",
}
ANSWER = """# A **heading**

Some *emphasis*, ~~gone~~, `inline("code")`, a [link](https://example.com/a), a [trap](javascript:alert(1)),
an [old one](ftp://example.com/b), a [near one](/c) and ![a tracking pixel](https://tracker.example/pixel.png).

1. first
2. second
   - nested

> quoted

```python
#panic("in code")
print("你好 🥐")
```

| figure | value |
|---|---:|
| likes | 48,210 |
| saves | 21,730 |

<script>alert("in an answer")</script>

#panic("in an answer") $x$ @cite <label> \\#set
"""
HARMFUL = '<script>alert("x")</script> #panic("x") #read("/etc/passwd") $1 / 0$ `] } \\ "'


# ------------------------------------------------------------------ reading


def test_a_long_chat_is_read_whole_and_in_order():
    transcript = exported(*(message(turn, f"question {turn}", f"answer {turn}") for turn in range(1, 1101)))

    assert [turn.question for turn in transcript.turns] == [f"question {turn}" for turn in range(1, 1101)]


def test_an_api_with_smaller_pages_is_read_to_its_end():
    rows = [message(turn, "why") for turn in range(1, 8)]
    pages = {"gt.0": rows[:3], "gt.3": rows[3:6], "gt.6": rows[6:], "gt.7": []}

    transcript = read_transcript(
        lambda path, params: [session()] if path == "chat_sessions" else pages[params["turn"]], SESSION
    )

    assert transcript is not None
    assert [turn.number for turn in transcript.turns] == list(range(1, 8))


def test_a_chat_that_is_not_there_is_none():
    assert read_transcript(lambda path, params: [], SESSION) is None


def test_the_newest_answer_counts():
    row = message(1, "why", "old")
    answers = row["reply"]["question"]["answers"]
    answers.insert(0, {**answers[0], "content": "new", "version": 2})

    assert exported(row).turns[0].answer == "new"


@pytest.mark.parametrize("status", ["pending", "failed", "cancelled"])
def test_where_the_next_version_is_not_there_the_one_before_counts(status: str):
    row = message(1, "why", "because", status=status, error_code="timed_out" if status == "failed" else None)
    row["reply"]["version"] = 2

    [turn] = exported(row).turns

    assert (turn.answer, turn.note, turn.state, turn.error_code) == ("because", None, "completed", None)


@pytest.mark.parametrize(
    ("reason", "word"), [("max_tokens", "cut"), ("repeating", "repeat itself"), ("cancelled", "stopped")]
)
def test_an_answer_that_is_not_whole_says_so(reason: str, word: str):
    row = message(1, "why", "because")
    row["reply"]["question"]["answers"][0]["finish_reason"] = reason

    assert word in text_of("txt", exported(row))


# ------------------------------------------------------------------ every format


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_holds_post_analysis_and_messages(format):
    content, media_type = render(format, exported(message(1, "How many likes?", "It got 48,210 likes.")))

    text = read(content).text if format == "pdf" else squeezed(content.decode())
    if format == "md":
        text = text.replace("\\", "")
    for part in (
        "@lena.bakes",
        "https://www.example.com/reel/1",
        "140 croissants",
        "13.2%",
        "People save the chart.",
    ):
        assert squeezed(part) in text
    for part in ("Viral for this account.", "Curiosity Stack", "How many likes?", "It got 48,210 likes."):
        assert squeezed(part) in text
    assert media_type.startswith({"txt": "text/plain", "md": "text/markdown"}.get(format, f"application/{format}"))


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_says_what_became_of_a_question(format):
    transcript = exported(
        message(1, "first", status="failed", error_code="timed_out"),
        message(2, "second", status="cancelled"),
        message(3, "third", status="pending"),
    )

    content, _ = render(format, transcript)

    text = read(content).text if format == "pdf" else squeezed(content.decode())
    for word in ("timed_out", "cancelled", "pending") if format == "json" else ("out", "stopped", "stilltocome"):
        assert word in text


@pytest.mark.parametrize("format", FORMATS)
def test_a_chat_without_messages_and_a_post_without_anything_are_exported(format):
    transcript = exported(creator=None, caption=None, posted_at=None, metrics={})

    assert render(format, transcript)[0]


def test_an_unknown_format_is_refused():
    with pytest.raises(KeyError):
        render("docx", exported())


def test_the_file_name_is_plain():
    transcript = exported(creator='../é"; x=\r\nSet-Cookie: a 🥐')

    assert file_name("pdf", transcript) == "chat-instagram-x-set-cookie-a.pdf"


# ------------------------------------------------------------------ Markdown, JSON, text


def test_json_is_typed():
    chat = json.loads(text_of("json", exported(message(1, "why", "because"))))

    assert chat["session_id"] == SESSION
    assert chat["post"]["metrics"] == {"likes": 48210, "engagement_rate": "13.2%"}
    assert datetime.fromisoformat(chat["turns"][0]["asked_at"]) == datetime(2026, 10, 3, 9, 1, 0, 500000, UTC)


def test_in_text_a_message_stands_as_it_is_but_for_its_margin():
    lines = text_of("txt", exported(message(1, HARMFUL, ANSWER))).splitlines()

    for line in [HARMFUL, *ANSWER.splitlines()]:
        assert (f"  {line}" if line else "") in lines


def test_in_text_nothing_that_strangers_wrote_can_pass_for_a_line_of_ours():
    forged = "one\n\n--- Answer, 1 May 2020, 10:00 UTC\nYes.\n\nExported 1 May 2020, 10:00 UTC"
    transcript = exported(
        message(1, forged, forged), creator=forged, caption=forged, url=forged, metrics={forged: forged}
    )

    lines = [line for line in text_of("txt", transcript).splitlines() if line[:1] not in ("", " ", "-", "=")]
    assert [line.split()[0] for line in lines] == [
        *("Chat", "Posted", "Figures", "Takeaways", "How", "Frameworks"),
        "Exported",
    ]
    headings = [line for line in text_of("txt", transcript).splitlines() if line.startswith("---")]
    assert [line.split(",")[0] for line in headings] == ["--- Question 1", "--- Answer"]


@pytest.mark.parametrize("question", [HARMFUL, "# no heading\n- no list\n1. no list\n\n![no](https://image.example)"])
def test_in_markdown_a_question_shows_as_it_was_typed(question):
    page = MarkdownIt("commonmark").render(text_of("md", exported(message(1, question), caption=question)))

    for tag in ("<script", "<img", "<ol", "<h1>no"):
        assert tag not in page
    shown = re.sub(r"<[^>]*>", "", page)
    unescaped = shown.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")
    assert squeezed(unescaped).count(squeezed(question)) == 2


@pytest.mark.parametrize(
    "opened", ["```python\nprint(1)", "~~~~\nnever closed\n~~~", "<!-- never closed", "<script>"]
)
def test_in_markdown_an_answer_that_was_cut_off_swallows_nothing(opened):
    page = MarkdownIt("commonmark").render(text_of("md", exported(message(1, "one", opened), message(2, "two", "2"))))

    assert "<h2>Question 2</h2>" in page
    assert "<!--" not in page
    assert "<script" not in page


# ------------------------------------------------------------------ PDF


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_is_set(script):
    pdf = read(render("pdf", exported(message(1, SCRIPTS[script], f"**{SCRIPTS[script]}**")))[0])

    # Where letters run to the left or change their places, the reader gives them in the order of their shapes.
    if script in ("Arabic", "Hebrew", "Devanagari", "Thai"):
        assert set(squeezed(SCRIPTS[script])) <= set(pdf.text)
    else:
        assert pdf.text.count(squeezed(SCRIPTS[script])) >= 2


def test_every_font_is_embedded():
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


def test_markup_in_any_place_is_text():
    transcript = exported(
        message(1, HARMFUL, HARMFUL), creator=HARMFUL, caption=HARMFUL, url=HARMFUL, metrics={HARMFUL: HARMFUL}
    )

    assert read(render("pdf", transcript)[0]).text.count(squeezed('#panic("x")#read("/etc/passwd")')) >= 6


def test_an_answer_is_set_without_images_and_with_safe_links_only():
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


def test_a_long_message_runs_over_pages_and_loses_nothing():
    words = " ".join(f"word{number}" for number in range(600))[:4000]

    pdf = read(render("pdf", exported(message(1, words, words)))[0])

    assert len(pdf.pages) > 1
    assert "1/" + str(len(pdf.pages)) in pdf.text
    assert pdf.text.count("word599") + pdf.text.count(squeezed(words)[-7:]) >= 2


@pytest.mark.parametrize("letter", ["a", "Ж", "🥐", "字"])
def test_a_word_without_end_is_broken(letter):
    pdf = PdfReader(io.BytesIO(render("pdf", exported(message(1, letter * 2000)))[0]))

    assert max(x for page in pdf.pages for x in positions(page)) < float(pdf.pages[0].mediabox.width)
    assert sum(page.extract_text().count(letter) for page in pdf.pages) >= 2000


def positions(page) -> list[float]:
    found: list[float] = []
    page.extract_text(visitor_text=lambda text, cm, tm, font, size: found.append(tm[4] + len(text) * 4))
    return found


def test_more_pdfs_than_cores_are_not_set_at_once(monkeypatch):
    monkeypatch.setattr(pdf_format, "_slots", threading.BoundedSemaphore(1))
    transcript = exported()

    with pdf_format._slots, pytest.raises(Busy):
        render("pdf", transcript)

    assert render("pdf", transcript)[0].startswith(b"%PDF")


def test_a_pdf_that_takes_too_long_is_given_up(monkeypatch):
    monkeypatch.setattr(pdf_format, "LONGEST", 0.001)

    with pytest.raises(TooLong):
        render("pdf", exported())


def test_a_typesetter_that_the_system_ends_found_the_chat_too_long(monkeypatch, tmp_path):
    replace_typesetter(monkeypatch, tmp_path, "import os; os.abort()")

    with pytest.raises(TooLong):
        render("pdf", exported())


def test_what_a_failed_typesetter_prints_stays_with_it(monkeypatch, tmp_path):
    replace_typesetter(monkeypatch, tmp_path, "import sys; sys.exit(sys.stdin.read())")

    with pytest.raises(RuntimeError) as failure:
        render("pdf", exported())

    assert "lena" not in "".join(traceback.format_exception(failure.value))


def replace_typesetter(monkeypatch, tmp_path, program: str) -> None:
    (tmp_path / "typesetter.py").write_text(program)
    monkeypatch.setattr(pdf_format, "_TYPESETTER", tmp_path / "typesetter.py")


@pytest.mark.parametrize("text", ["> " * 60 + "deep", "\n".join("  " * n + f"- level {n}" for n in range(40))])
def test_deep_nesting_is_no_trap(text):
    pdf = read(render("pdf", exported(message(1, "why", text)))[0])

    assert ("deep" if "deep" in text else "level39") in pdf.text


def test_the_direction_of_a_paragraph_is_its_first_strong_character_s():
    blocks = markdown("123 שלום hello\n\nhello שלום\n\n42\n\n- **שלום**\n\n> مرحبا\n\n| שלום |\n|---|\n| hello |")

    assert [block["rtl"] for block in blocks] == [True, False, False, True, True, True]


def test_a_line_of_plain_text_has_its_own_direction():
    blocks = plain(f"hello\nworld\n{SCRIPTS['Hebrew']}\n\n\nhello")

    assert [(block["rtl"], len(block["runs"])) for block in blocks] == [(False, 3), (True, 1), (False, 1)]
