"""Markdown as a small tree of plain data, for a typesetter that never sees Markdown itself.

A block is {"kind": "paragraph" | "heading" | "list" | "quote" | "code" | "table" | "rule", …}.
A paragraph, heading or cell holds runs: {"text", "bold"?, "italic"?, "strike"?, "code"?, "href"?} or {"break": true}.
`rtl` says of a block that its first strong character is of a script written from right to left.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

Node = dict[str, Any]

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
_DEEPEST = 16  # levels: past its limit of 20 the parser drops text, and the typesetter has one, too
_STYLES = {"strong": {"bold": True}, "em": {"italic": True}, "s": {"strike": True}}
_SCHEMES = ("http", "https", "mailto")
# The typesetter breaks no word. Scripts without spaces (from Thai on, and all of East Asia) it breaks by itself.
_LONG_WORD = re.compile(r"[^\s\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\U0010ffff]{25,}")
_PIECE = 12  # characters: fits a narrow cell of a table
_MAY_BREAK = "\u200b"


def markdown(text: str) -> list[Node]:
    """The blocks of a Markdown text; one that is nested too deeply is taken as plain text."""
    tokens = _MARKDOWN.parse(text)
    if any(token.level > _DEEPEST for token in tokens):
        return plain(text)
    return _blocks(SyntaxTreeNode(tokens))


def plain(text: str) -> list[Node]:
    """The paragraphs of a text without markup, its line breaks kept. Where the direction changes, one ends."""
    parts = [part.splitlines() for part in re.split(r"\n\s*\n", text)]
    return [_paragraph(_lines(lines)) for part in parts for _, lines in groupby(part, _is_rtl) if any(part)]


def _blocks(parent: SyntaxTreeNode) -> list[Node]:
    return [_block(node) for node in parent.children]


def _block(node: SyntaxTreeNode) -> Node:
    match node.type:
        case "heading":
            return {**_paragraph(_runs(node)), "kind": "heading", "level": int(node.tag[1])}
        case "bullet_list" | "ordered_list":
            items = [_blocks(item) for item in node.children]
            ordered = node.type == "ordered_list"
            start = int(node.attrs.get("start", 1))
            return {"kind": "list", "ordered": ordered, "start": start, "items": items, "rtl": _starts_rtl(node)}
        case "blockquote":
            return {"kind": "quote", "blocks": _blocks(node), "rtl": _starts_rtl(node)}
        case "fence" | "code_block":
            return {"kind": "code", "text": _breakable(node.content.rstrip("\n"))}
        case "table":
            rows = [row for part in node.children for row in part.children]
            cells = [[_cell(cell) for cell in row.children] for row in rows]
            return {"kind": "table", "rows": cells, "rtl": _starts_rtl(node)}
        case "hr":
            return {"kind": "rule"}
        case _:
            return _paragraph(_runs(node))


def _paragraph(runs: list[Node]) -> Node:
    return {"kind": "paragraph", "runs": runs, "rtl": _is_rtl("".join(run.get("text", "") for run in runs))}


def _cell(node: SyntaxTreeNode) -> Node:
    """`align` is left, center or right where the table says so, else empty."""
    return {**_paragraph(_runs(node)), "align": str(node.attrs.get("style", "")).removeprefix("text-align:")}


def _runs(block: SyntaxTreeNode) -> list[Node]:
    return [run for inline in block.children for run in _inline(inline, {})]


def _inline(node: SyntaxTreeNode, style: Node) -> Iterator[Node]:
    match node.type:
        case "hardbreak":
            yield {"break": True}
            return
        case "softbreak":
            yield {"text": " "}
            return
        case "image":
            # Never fetched: what an answer names would learn who reads it, and when.
            yield {**style, "text": _breakable(f"[{node.content}]")}
            return
        case "code_inline":
            yield {**style, "text": _breakable(node.content), "code": True}
            return
        case "link":
            style = {**style, **_target(str(node.attrs.get("href", "")))}
        case _:
            style = {**style, **_STYLES.get(node.type, {})}
    if node.content and not node.children:
        yield {**style, "text": _breakable(node.content)}
    for child in node.children:
        yield from _inline(child, style)


def _target(href: str) -> Node:
    try:
        return {"href": href} if urlsplit(href).scheme in _SCHEMES else {}
    except ValueError:
        return {}


def _lines(lines: Iterable[str]) -> list[Node]:
    runs: list[Node] = []
    for line in lines:
        runs += [{"break": True}, {"text": _breakable(line)}]
    return runs[1:]


def _breakable(text: str) -> str:
    return _LONG_WORD.sub(lambda word: _MAY_BREAK.join(_pieces(word[0])), text)


def _pieces(word: str) -> Iterator[str]:
    start = 0
    for end in range(1, len(word)):
        if end - start >= _PIECE and not unicodedata.combining(word[end]):
            yield word[start:end]
            start = end
    yield word[start:]


def _starts_rtl(node: SyntaxTreeNode) -> bool:
    return _is_rtl(next((part.content for part in node.walk() if part.type == "inline"), ""))


def _is_rtl(text: str) -> bool:
    strong = (unicodedata.bidirectional(character) for character in text)
    return next((direction in ("R", "AL") for direction in strong if direction in ("L", "R", "AL")), False)
