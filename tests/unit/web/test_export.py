"""An exported chat holds the post, its analysis and every message, as text and nothing else."""

import json
import re
from datetime import UTC, datetime

import pytest
from markdown_it import MarkdownIt

from tests.support.exports import (
    ANSWER,
    HARMFUL,
    SCRIPTS,
    SESSION,
    exported,
    message,
    read,
    squeezed,
    text_of,
)
from worker.web.export import FORMATS, file_name, render
from worker.web.export.nodes import markdown, plain


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_holds_post_analysis_and_messages(format: str) -> None:
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
def test_every_format_says_what_became_of_a_question(format: str) -> None:
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
def test_a_chat_without_messages_and_a_post_without_anything_are_exported(format: str) -> None:
    transcript = exported(creator=None, caption=None, posted_at=None, metrics={})

    assert render(format, transcript)[0]


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(KeyError):
        render("docx", exported())


def test_the_file_name_is_plain() -> None:
    transcript = exported(creator='../é"; x=\r\nSet-Cookie: a 🥐')

    assert file_name("pdf", transcript) == "chat-instagram-x-set-cookie-a.pdf"


def test_json_is_typed() -> None:
    chat = json.loads(text_of("json", exported(message(1, "why", "because"))))

    assert chat["session_id"] == SESSION
    assert chat["post"]["metrics"] == {"likes": 48210, "engagement_rate": "13.2%"}
    assert datetime.fromisoformat(chat["turns"][0]["asked_at"]) == datetime(2026, 10, 3, 9, 1, 0, 500000, UTC)


def test_in_text_a_message_stands_as_it_is_but_for_its_margin() -> None:
    lines = text_of("txt", exported(message(1, HARMFUL, ANSWER))).splitlines()

    for line in [HARMFUL, *ANSWER.splitlines()]:
        assert (f"  {line}" if line else "") in lines


def test_in_text_nothing_that_strangers_wrote_can_pass_for_a_line_of_ours() -> None:
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
def test_in_markdown_a_question_shows_as_it_was_typed(question: str) -> None:
    page = MarkdownIt("commonmark").render(text_of("md", exported(message(1, question), caption=question)))

    for tag in ("<script", "<img", "<ol", "<h1>no"):
        assert tag not in page
    shown = re.sub(r"<[^>]*>", "", page)
    unescaped = shown.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")
    assert squeezed(unescaped).count(squeezed(question)) == 2


@pytest.mark.parametrize(
    "opened", ["```python\nprint(1)", "~~~~\nnever closed\n~~~", "<!-- never closed", "<script>"]
)
def test_in_markdown_an_answer_that_was_cut_off_swallows_nothing(opened: str) -> None:
    page = MarkdownIt("commonmark").render(text_of("md", exported(message(1, "one", opened), message(2, "two", "2"))))

    assert "<h2>Question 2</h2>" in page
    assert "<!--" not in page
    assert "<script" not in page


def test_the_direction_of_a_paragraph_is_its_first_strong_character_s() -> None:
    blocks = markdown("123 שלום hello\n\nhello שלום\n\n42\n\n- **שלום**\n\n> مرحبا\n\n| שלום |\n|---|\n| hello |")

    assert [block["rtl"] for block in blocks] == [True, False, False, True, True, True]


def test_a_line_of_plain_text_has_its_own_direction() -> None:
    blocks = plain(f"hello\nworld\n{SCRIPTS['Hebrew']}\n\n\nhello")

    assert [(block["rtl"], len(block["runs"])) for block in blocks] == [(False, 3), (True, 1), (False, 1)]
