"""The documents: which there are, where each section lives, and how tests read what stands in one."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

PLACES = {
    "Use it from a frontend": "worker/web/ui/README.md",
    "Lift the component": "worker/web/ui/README.md",
    "Over HTTP, without supabase-js": "worker/web/README.md",
    "Logs": "worker/README.md",
    "Metrics": "worker/README.md",
    "What remains of what is deleted": "supabase/README.md",
}
"""Heading → the document in which tests look for it."""


def section(heading: str) -> str:
    """What stands under a heading, up to the next of its level or of one above it; `#` in examples is none."""
    level, found = 0, list[str]()
    for line, is_example in lines(PLACES[heading]):
        depth = 0 if is_example else len(line) - len(line.lstrip("#"))
        if level and 0 < depth <= level:
            break
        if level:
            found.append(line)
        elif depth and line[depth:].strip() == heading:
            level = depth
    assert level, f"{PLACES[heading]} has no section {heading!r}"
    return "\n".join(found) + "\n"


def examples(heading: str, language: str) -> list[str]:
    """The fenced blocks of a section, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```", section(heading), re.DOTALL | re.MULTILINE)


def rows(heading: str) -> list[list[str]]:
    """The cells of the section's tables, without their heads."""
    table = re.findall(r"^\|[^\n]*\n\|[-|]+\n((?:\|[^\n]*\n)+)", section(heading), re.MULTILINE)
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for body in table for line in body.splitlines()
    ]


def lines(document: str) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it belongs to an example."""
    fenced = False
    for line in (ROOT / document).read_text().splitlines():
        is_fence = line.startswith("```")
        yield line, fenced or is_fence
        fenced ^= is_fence


def documents() -> list[str]:
    """Paths from the root of all that git knows, or would."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    found = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    return sorted(name for name in set(found.stdout.split()) if (ROOT / name).exists())
