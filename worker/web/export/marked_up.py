"""Writes the tree of an answer (see nodes) as Markdown, so that it holds only what the tree can represent."""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

from worker.web.export.nodes import Node

_SPECIAL = re.compile(r"[\\`*_{}\[\]<>|~&!]")  # "!" before a link would make it an image
_AT_START = re.compile(r"^(\s*)(?:([#+=-])|(\d+)([.)]))", re.MULTILINE)
_BACKTICKS = re.compile(r"`+")
_STYLE = ("bold", "italic", "strike", "href")
_MARKS = {"bold": "**", "italic": "*", "strike": "~~"}
_DEEPEST_HEADING = 6
_GREATEST_NUMBER = 999_999_999
_ALIGNED = {"left": ":---", "center": ":---:", "right": "---:"}


def marked_up(blocks: list[Node], below: int) -> str:
    """Markdown of the blocks, with their headings `below` levels deeper."""
    return "\n\n".join(text for text in _each(blocks, below) if text)


def escaped(text: str) -> str:
    """The text, escaped so that Markdown shows it as typed, line by line."""
    return _at_start(_SPECIAL.sub(r"\\\g<0>", text))


def _each(blocks: list[Node], below: int) -> Iterator[str]:
    other_mark = False
    for before, block in zip([None, *blocks], blocks, strict=False):
        if block["kind"] == "list":
            # Two lists in a row with the same marker would become one list.
            is_next = before is not None and before["kind"] == "list" and before["ordered"] == block["ordered"]
            other_mark = is_next and not other_mark
            yield _list(block, below, other_mark)
        else:
            yield _block(block, below)


def _block(block: Node, below: int) -> str:
    match block["kind"]:
        case "heading":
            text = re.sub(r"(#+)$", r"\\\1", _line(block["runs"]))
            return f"{'#' * min(block['level'] + below, _DEEPEST_HEADING)} {text}" if text else ""
        case "quote":
            return _behind("> ", "> ", marked_up(block["blocks"], below))
        case "code":
            fence = _fence(block["text"], 3)
            return f"{fence}\n{block['text']}\n{fence}"
        case "table":
            return _table(block)
        case "rule":
            return "___"  # unlike --- and ***, never taken for a list or a heading
        case _:
            return _at_start(_inline(block["runs"]))


def _list(block: Node, below: int, other_mark: bool) -> str:
    texts = [marked_up(item, below) for item in block["items"]]
    marks = [_mark(block, index, other_mark) for index in range(len(texts))]
    items = [_behind(mark, " " * len(mark), text) for mark, text in zip(marks, texts, strict=True)]
    return ("\n\n" if any("\n\n" in text for text in texts) else "\n").join(items)


def _mark(block: Node, index: int, other: bool) -> str:
    if not block["ordered"]:
        return "* " if other else "- "
    return f"{min(block['start'] + index, _GREATEST_NUMBER)}{')' if other else '.'} "


def _behind(first: str, further: str, text: str) -> str:
    head, *lines = text.split("\n")
    return "\n".join([f"{first}{head}".rstrip(), *(f"{further}{line}".rstrip() for line in lines)])


def _table(block: Node) -> str:
    head, *rows = [[_line(cell["runs"], _in_cell) for cell in row] for row in block["rows"]]
    rule = [_ALIGNED.get(cell["align"], "---") for cell in block["rows"][0]]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def _line(runs: list[Node], code: Callable[[str], str] = str) -> str:
    return " ".join(_inline(runs, code).replace("\\\n", " ").split())


def _inline(runs: list[Node], code: Callable[[str], str] = str) -> str:
    styled = groupby(runs, lambda run: "break" if "break" in run else [run.get(name) for name in _STYLE])
    return "".join(
        "\\\n" * len(list(group)) if style == "break" else _styled(group, code) for style, group in styled
    ).strip()


def _styled(runs: Iterable[Node], code: Callable[[str], str]) -> str:
    """Runs of one style. Spaces go outside the markers, which are not recognised next to a space."""
    runs = list(runs)
    text = "".join(
        code(_code(run["text"])) if run.get("code") else _SPECIAL.sub(r"\\\g<0>", run["text"]) for run in runs
    )
    core = text.strip(" ")
    if not core:
        return text
    marks = [mark for name, mark in _MARKS.items() if runs[0].get(name)]
    marked = f"{''.join(marks)}{core}{''.join(reversed(marks))}"
    if "href" in runs[0]:
        marked = f"[{marked}](<{runs[0]['href']}>)"
    return text.replace(core, marked, 1)


def _code(text: str) -> str:
    fence = _fence(text, 1)
    space = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) else ""
    return f"{fence}{space}{text}{space}{fence}"


def _in_cell(code: str) -> str:
    return code.replace("|", "\\|")


def _fence(text: str, least: int) -> str:
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    return "`" * max(least, longest + 1)


def _at_start(text: str) -> str:
    """Escapes what would begin a block at the start of a line."""
    return _AT_START.sub(
        lambda found: f"{found[1]}\\{found[2]}" if found[2] else f"{found[1]}{found[3]}\\{found[4]}", text
    )
