"""Parses Markdown into a small tree of plain data, from which the PDF and the Markdown export are made.

A block is {"kind": "paragraph" | "heading" | "list" | "quote" | "code" | "table" | "rule", …}.
A paragraph, heading or cell holds runs: {"text", "bold"?, "italic"?, "strike"?, "code"?, "href"?} or {"break": true}.
`rtl` of a block: its first strongly directional character is of a right-to-left script.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode

from worker.web.export import links
from worker.web.export.legible import legible

Node = dict[str, Any]

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
_DEEPEST = 16  # levels; beyond 20 the parser drops text, and the typesetter has a limit as well
_STYLES = {"strong": {"bold": True}, "em": {"italic": True}, "s": {"strike": True}}


def markdown(text: str) -> list[Node]:
    """The blocks of a Markdown text; a text that is nested too deeply is treated as plain."""
    try:
        tokens = _MARKDOWN.parse(text)
        return plain(text) if _is_deep(tokens) else _blocks(SyntaxTreeNode(tokens))
    except RecursionError:
        return plain(text)


def plain(text: str) -> list[Node]:
    """The paragraphs of a text without markup, with its line breaks. A change of direction begins a new one."""
    parts = [part.splitlines() for part in re.split(r"\n\s*\n", text)]
    return [_paragraph(_lines(lines)) for part in parts for _, lines in groupby(part, _is_rtl) if any(part)]


def _is_deep(tokens: list[Token]) -> bool:
    return any(token.level > _DEEPEST or _is_deep(token.children or []) for token in tokens)


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
            return {"kind": "code", "text": node.content.rstrip("\n")}
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
    """`align`: left, center or right if the table sets it, else empty."""
    return {**_paragraph(_runs(node)), "align": str(node.attrs.get("style", "")).removeprefix("text-align:")}


def _runs(block: SyntaxTreeNode) -> list[Node]:
    return [run for inline in block.children for run in _inline(inline, {})]


def _inline(node: SyntaxTreeNode, style: Node) -> Iterator[Node]:
    match node.type:
        case "hardbreak":
            yield {"break": True}
        case "softbreak":
            yield {"text": " "}
        case "image":
            # Never loaded: the image's server would learn who reads the export, and when.
            yield {**style, "text": _in_a_line(f"[{node.content}]")}
        case "code_inline":
            yield {**style, "text": _in_a_line(node.content), "code": True}
        case "link":
            yield from _link(node, style)
        case _:
            if node.content and not node.children:
                yield {**style, "text": _in_a_line(node.content)}
            yield from _within(node, {**style, **_STYLES.get(node.type, {})})


def _within(node: SyntaxTreeNode, style: Node) -> Iterator[Node]:
    for child in node.children:
        yield from _inline(child, style)


def _link(node: SyntaxTreeNode, style: Node) -> Iterator[Node]:
    href = links.target(str(node.attrs.get("href", "")))
    if href is None:
        yield from _within(node, style)
        return
    runs = list(_within(node, {**style, "href": href}))
    yield from runs
    if place := links.hidden_place(href, "".join(run.get("text", "") for run in runs)):
        yield {**style, "text": f" ({place})"}


def _in_a_line(text: str) -> str:
    """Also removes characters that the answer held as entities (&#10;, &#x202E;), which the parser has decoded."""
    return legible(text).replace("\n", " ")


def _lines(lines: Iterable[str]) -> list[Node]:
    runs: list[Node] = []
    for line in lines:
        runs += [{"break": True}, {"text": line}]
    return runs[1:]


def _starts_rtl(node: SyntaxTreeNode) -> bool:
    return _is_rtl(next((part.content for part in node.walk() if part.type == "inline"), ""))


def _is_rtl(text: str) -> bool:
    strong = (unicodedata.bidirectional(character) for character in text)
    return next((direction in ("R", "AL") for direction in strong if direction in ("L", "R", "AL")), False)
