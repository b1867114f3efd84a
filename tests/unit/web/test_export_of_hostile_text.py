"""Whatever an answer, a question or a post holds: an export loads nothing, forges nothing, and is made."""

import html
import json
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.support.exports import exported, message, read, text_of
from worker.web.export import FORMATS, nodes, render
from worker.web.export.legible import legible
from worker.web.export.links import hidden_place, target
from worker.web.export.marked_up import escaped, marked_up

# A viewer that shows whatever it is given: HTML, tables, struck words.
VIEWER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
FRAGMENTS = [
    *("word", " ", "\n", "\n\n", "    ", "\t", "- ", "* ", "+ ", "1. ", "9)", "> ", "#", "## Question 99"),
    *("---", "===", "***", "___", "```", "~~~", "`", "``", "*", "**", "_", "~~", "|", "\\", "\\|"),
    "| a | b |\n|---|:-:|\n| `x|y` | z |",
    *("<img src=https://evil.test/x>", "<!--", "-->", "<script>", "</div>", "<b", "![p](https://evil.test/p.png)"),
    *("[a](https://good.test/b)", "[a](javascript:x)", "[a](/c)", "[a](//evil.test)", "[a](https://u@evil.test)"),
    *("[a]: https://evil.test 'x'", "[a]", "![a]", "<https://good.test>", "<x@good.test>", "[", "](", ")", "!["),
    *("&#10;", "&#x202E;", "&lt;img&gt;", "&", "\x1b[31m", "\u202e", "\u2067", "\u2069", "\r", "\x85"),
    *("é", "字", "🥐"),
]
hostile = some.lists(some.sampled_from(FRAGMENTS), max_size=30).map("".join)


def all_tokens(tokens: list[Token]) -> list[Token]:
    return [each for token in tokens for each in (token, *all_tokens(token.children or []))]


def headings(tokens: list[Token]) -> list[tuple[str, str]]:
    return [
        (token.tag, tokens[index + 1].content) for index, token in enumerate(tokens) if token.type == "heading_open"
    ]


@example(answer=r"\![p](https://evil.test/p.png)", question="!", caption="!")
@settings(derandomize=True, max_examples=60, deadline=None)
@given(answer=hostile.filter(str.strip), question=hostile, caption=hostile)
def test_in_markdown_nothing_is_loaded_and_nothing_forged(answer: str, question: str, caption: str) -> None:
    transcript = exported(message(1, question, answer), message(2, "Thanks"), caption=caption, creator=caption)
    tokens = VIEWER.parse(text_of("md", transcript))

    assert {"html_block", "html_inline", "image"}.isdisjoint(token.type for token in all_tokens(tokens))
    for token in all_tokens(tokens):
        if token.type == "link_open":
            assert target(str(token.attrs["href"])), token.attrs
    found = headings(tokens)
    assert [title for tag, title in found if tag == "h1"] == [found[0][1]]
    sections = ["Takeaways", "How far it travelled", "Frameworks", "Question 1", "Question 2"]
    assert [title for tag, title in found if tag == "h2"] == sections
    assert [title for tag, title in found if tag == "h3"] == ["Answer"]


@settings(derandomize=True, max_examples=60, deadline=None)
@given(answer=hostile)
def test_in_markdown_an_answer_keeps_its_words(answer: str) -> None:
    """Marks of emphasis may show beside a letter where Markdown knows no way to write them."""
    tree = nodes.markdown(legible(answer))
    assert words(nodes.markdown(marked_up(tree, below=0))) == words(tree)


def words(node: object) -> str:
    if isinstance(node, dict):
        node = [node.get(name, "") for name in ("text", "runs", "blocks", "items", "rows")]
    text = "".join(map(words, node)) if isinstance(node, list) else str(node)
    return re.sub(r"[\s*~]|\(\w*@?(good|evil)\.test\)", "", text)  # a host is told anew each time


@pytest.mark.parametrize(
    "answer",
    [
        "# One\n\n###### Six\n\n####### none",
        "Some *emphasis*, **bold**, ***both***, ~~gone~~, `code`, ``a`b``, [good.test/a](https://good.test/a(b)) and `https://good.test`",
        "- one\n- two\n  - nested\n\n    with a second paragraph\n\n* another list\n\n3. three\n4. four\n\n2) two",
        "> quoted\n>\n> > twice\n\n- > in a list",
        "```python\nprint(1)\n\n    indented\n```\n\n    by indent\n\n````\n```\n````",
        "| a | b |\n|:--|--:|\n| `x\\|y` | **z** |\n| 1 \\| 2 | |",
        "one  \ntwo\\\nthree\n\n---\n\n\\# no heading\n\n1\\. no list\n\n\\- no list\n\n2026\\) no list",
        "-\n- after an empty one\n- ***\n- # in a list",
    ],
)
def test_in_markdown_an_answer_is_what_it_was(answer: str) -> None:
    tree = nodes.markdown(answer)
    assert nodes.markdown(marked_up(tree, below=0)) == tree


def test_in_markdown_headings_of_an_answer_stand_below_the_one_above_it() -> None:
    text = text_of("md", exported(message(1, "Why?", "# One\n\nTitle\n===\n\n## Two\n\n##### Five #\\#")))
    found = [heading for heading in headings(VIEWER.parse(text)) if heading[0] in ("h4", "h5", "h6")]
    assert found == [("h4", "One"), ("h4", "Title"), ("h5", "Two"), ("h6", "Five \\##")]


@settings(derandomize=True, max_examples=60, deadline=None)
@given(text=hostile)
def test_escaped_text_shows_as_it_was_typed(text: str) -> None:
    typed = " ".join(text.split())
    shown = re.sub("<[^>]*>", "", VIEWER.render(f"> {escaped(typed)}")).strip()
    assert html.unescape(shown) == typed


# ------------------------------------------------------------------ characters that nobody sees


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b]8;;https://evil.test\x07", "[31mred]8;;https://evil.test"),
        ("\x9b31mred", "31mred"),
        ("a\0b\x7f\tc", "ab\tc"),
        ("one\r\ntwo\rthree\x0bfour\x85five\u2028six", "one\ntwo\nthree\nfour\nfive\nsix"),
        ("gpj.\u202egnp\u202c kept", "gpj.\u202egnp\u202c kept"),
        ("\u2067\u202aa\u202c\u2069", "\u2067\u202aa\u202c\u2069"),
        ("\u202egnp", "gnp"),
        ("a\u2069 \u202bb\u202c", "a b"),
        ("\u2067a\u202c", "a"),
        ("\u202ea\nb\u202c\n\u2068c\u2069", "a\nb\n\u2068c\u2069"),
        ("\u200fשלום\u200e 👩\u200d🚀", "\u200fשלום\u200e 👩\u200d🚀"),  # noqa: RUF001
    ],
)
def test_a_text_without_what_nobody_sees(text: str, shown: str) -> None:
    assert legible(text) == shown


EVERYWHERE = "a\x1b[2Jb\x9bc\u202ed &#x202E;e"


@pytest.mark.parametrize("format", FORMATS)
def test_no_format_has_characters_that_a_terminal_or_an_editor_obeys(format: str) -> None:
    hostile = {"creator": EVERYWHERE, "caption": EVERYWHERE, "url": EVERYWHERE, "metrics": {EVERYWHERE: EVERYWHERE}}
    content, _ = render(format, exported(message(1, EVERYWHERE, f"{EVERYWHERE}\n\n`{EVERYWHERE}`"), **hostile))

    text = read(content).text if format == "pdf" else content.decode()
    assert re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text) == []


def test_json_still_holds_what_there_is() -> None:
    assert json.loads(text_of("json", exported(message(1, EVERYWHERE))))["turns"][0]["question"] == EVERYWHERE


# ------------------------------------------------------------------ what cannot be read


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "answer",
    [
        "*" * 3000 + "x" + "*" * 3000,
        "**a " * 2000,
        "~~" * 3000,
        "[" * 3000 + "](x)" * 3000,
        "> " * 3000 + "deep",
        "- " * 3000,
    ],
    ids=["stars", "open bold", "tildes", "brackets", "quotes", "lists"],
)
def test_an_answer_without_sense_is_exported(format: str, answer: str) -> None:
    assert render(format, exported(message(1, "Why?", answer)))[0]


def test_an_answer_that_the_parser_cannot_hold_is_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(_: str) -> list[Token]:
        raise RecursionError

    monkeypatch.setattr(nodes._MARKDOWN, "parse", parse)
    assert nodes.markdown("*one*\ntwo") == nodes.plain("*one*\ntwo")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "moment",
    [
        "infinity",
        "-infinity",
        "0044-03-15T12:00:00+00:00 BC",
        "12026-10-02T17:00:00+00:00",
        "0001-01-01T00:00:00+14:00",
    ],
)
def test_a_time_that_python_cannot_hold_stands_as_text(format: str, moment: str) -> None:
    row = message(1, "Why?", "Because.")
    row["created_at"] = moment
    content, _ = render(format, exported(row, posted_at=moment))

    text = read(content).text if format == "pdf" else content.decode()
    assert text.replace("\\", "").count(moment.replace(" ", "") if format == "pdf" else moment) == 2


# ------------------------------------------------------------------ links


@pytest.mark.parametrize(
    "href",
    [
        *(
            "",
            "#a",
            "/logout",
            "?x=1",
            "page",
            "//evil.test/",
            "javascript:alert(1)",
            "data:text/html,x",
            "vbscript:x",
        ),
        *(
            "https://instagram.com@evil.test/",
            "https://:x@evil.test",
            "http:///a",
            "https:evil.test",
            "ftp://x.test",
        ),
        *("mailto:", "mailto://evil.test/a", "https://[", "file:///etc/passwd", "JAVASCRIPT:x", "java\tscript:x"),
    ],
)
def test_what_is_no_link(href: str) -> None:
    assert target(href) is None


@pytest.mark.parametrize(
    ("href", "text", "place"),
    [
        ("https://good.test/a", "the guide", "good.test"),
        ("https://good.test/a", "https://good.test/a", ""),
        ("https://good.test/a", "Good.test", ""),
        ("https://good.test", " http://good.test", "good.test"),
        ("https://evil.test/", "https://bank.test/", "evil.test"),
        ("https://evil.test/", "evil.test.bank.test", "evil.test"),
        ("https://evil.test/", "evil.test@bank.test", "evil.test"),
        ("https://evil.test:8443/", "evil.test", "evil.test:8443"),
        ("https://evil.test/", "", "evil.test"),
        ("mailto:a@good.test", "a@good.test", ""),
        ("mailto:a@good.test?subject=x", "write to us", "a@good.test"),
    ],
)
def test_where_a_link_leads_is_told_where_its_text_does_not(href: str, text: str, place: str) -> None:
    assert target(href) == href
    assert hidden_place(href, text) == place


def test_links_in_files_tell_their_host() -> None:
    answer = (
        "See [**the** guide](https://good.test/a), <https://good.test/b>, [home](/) and [you](https://u@evil.test)."
    )
    transcript = exported(message(1, "Where?", answer))

    told = "the guide (good.test), https://good.test/b, home and you."
    assert told in re.sub("<[^>]*>", "", VIEWER.render(text_of("md", transcript)))
    assert told.replace(" ", "") in read(render("pdf", transcript)[0]).text
