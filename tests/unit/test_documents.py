"""The documents: every link leads somewhere, and what they name exists."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documents import ROOT, documents, lines

DOCUMENTS = documents()
CODE = [
    file
    for folder in ("worker", "supabase", "tests")
    for file in sorted((ROOT / folder).rglob("*"))
    if file.suffix in {".py", ".sql", ".ts", ".tsx", ".mjs", ".toml", ".yml", ".json"}
    and not {"dist", "dist-ops", "node_modules"} & set(file.parts)
    and file != Path(__file__)
] + [ROOT / name for name in (".ci/run", ".env.example", "Makefile", "pyproject.toml")]


def prose(document: str) -> Iterator[str]:
    return (line for line, is_example in lines(document) if not is_example)


def anchors(document: str) -> set[str]:
    """As GitHub makes them of headings: lower case, hyphens for blanks, and a number on a repeated one."""
    found: dict[str, int] = {}
    for line in prose(document):
        if heading := re.match(r"#+ (.*)", line):
            anchor = re.sub(r"[^\w\- ]", "", heading[1].lower()).replace(" ", "-")
            found[anchor] = found.get(anchor, -1) + 1
    return {f"{anchor}-{n}" if n else anchor for anchor, most in found.items() for n in range(most + 1)}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(document: str) -> None:
    text = "\n".join(prose(document))
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|srcset|href)="([^"]+)"', text)
    broken = []
    for target in targets:
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / document).parent / path if path else ROOT / document
        if not file.exists() or (anchor and anchor not in anchors(str(file.resolve().relative_to(ROOT)))):
            broken.append(target)
    assert broken == []


def test_what_code_says_of_a_document_leads_to_one() -> None:
    """A sentence that sends its reader to a document names it by its path from the root."""
    lost = {}
    for file in CODE:
        named = re.findall(r"[\w./-]*\b(?:README|[A-Z]+\.md)\b[.\w]*", file.read_text())
        if wrong := [name for name in named if not (ROOT / name.rstrip(".")).is_file()]:
            lost[str(file.relative_to(ROOT))] = wrong
    assert lost == {}
