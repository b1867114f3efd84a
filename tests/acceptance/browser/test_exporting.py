"""The chat as a file, from the chat's options."""

import io
import json
from pathlib import Path

import pytest
from playwright.async_api import expect
from pypdf import PdfReader

from tests.support.browser.chat_page import ChatPage
from tests.support.browser.guard import Guard
from tests.support.faulty_model import FaultyModel

QUESTION = "How many likes did it get?"
ANSWER = "It got **48,210** likes: crème, 你好."
PLAIN = "It got 48,210 likes: crème, 你好."


def read(file: Path) -> str:
    """Its words, with single spaces."""
    content = file.read_bytes()
    if file.suffix == ".pdf":
        text = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
    else:
        text = content.decode()
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("name", "suffix", "answer"),
    [("Text", "txt", ANSWER), ("Markdown", "md", ANSWER), ("JSON", "json", ANSWER), ("PDF", "pdf", PLAIN)],
)
async def test_the_chat_is_downloaded_as_it_is_seen(
    chat_page: ChatPage, faulty_model: FaultyModel, tmp_path: Path, name: str, suffix: str, answer: str
) -> None:
    await chat_page.ask_and_wait("How many lkies did it get?")
    faulty_model.add("say", question=QUESTION, text="A first version.")
    await chat_page.edit(QUESTION)
    await expect(chat_page.answer()).to_contain_text("A first version.")
    await chat_page.expect_answers(1)
    faulty_model.add("say", question=QUESTION, text=ANSWER)
    await chat_page.regenerate()
    await chat_page.expect_version("2 of 2", PLAIN)
    await chat_page.expect_answers(1)

    async with chat_page.page.expect_download() as downloading:
        await chat_page.choose(f"Export as {name}")
    download = await downloading.value
    assert download.suggested_filename == f"chat.{suffix}"
    file = tmp_path / download.suggested_filename
    await download.save_as(file)
    text = read(file)
    for part in (QUESTION, answer, "mara", "Three eggs", "The hook is a question"):
        assert part in text
    assert "lkies" not in text
    assert "A first version." not in text
    if suffix == "json":
        [turn] = json.loads(text)["turns"]
        assert (turn["question"], turn["answer"]) == (QUESTION, ANSWER)


async def test_a_file_that_cannot_be_made_is_told(chat_page: ChatPage, guard: Guard) -> None:
    guard.allow("503")
    await chat_page.ask_and_wait(QUESTION)
    await chat_page.page.route("**/export?*", lambda route: route.fulfill(status=503))
    await chat_page.choose("Export as PDF")
    await expect(chat_page.page.get_by_text("The file could not be made. Try again in a minute.")).to_be_visible()
