"""The documents: which there are, where each section lives, and how tests read what stands in one."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PLACES = {
    "Use it from React": "README.md",
    "A complete client": "worker/web/ui/README.md",
    "Versions": "worker/web/ui/README.md",
    "Plain `postgres_changes`": "worker/web/ui/README.md",
    "The HTTP API": "worker/web/README.md",
    "Settings": "worker/README.md",
    "Logs": "worker/README.md",
    "Metrics": "worker/README.md",
    "Alerts": "worker/README.md",
    "What a call costs": "worker/README.md",
    "Tables and rights": "supabase/README.md",
    "Posts and analyses": "supabase/README.md",
    "States of a reply": "supabase/README.md",
    "Functions for users": "supabase/README.md",
    "Functions for the worker": "supabase/README.md",
    "Plans and caps": "supabase/README.md",
    "Errors": "supabase/README.md",
    "What remains of what is deleted": "supabase/README.md",
    "Figures": "supabase/README.md",
    "Repairs by hand": "supabase/README.md",
    "Settings of the stand-in": "worker/local/realtime/README.md",
    "Words": ".github/CONTRIBUTING.md",
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


def rows(heading: str, first: str = "") -> list[list[str]]:
    """The cells of the section's tables, or of the one whose head begins with `first`, without their heads."""
    tables = re.findall(r"^\|([^\n]*)\n\|[-|]+\n((?:\|[^\n]*\n)+)", section(heading), re.MULTILINE)
    bodies = [body for head, body in tables if head.strip().startswith(first)]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for body in bodies for line in body.splitlines()]


def names(cell: str) -> list[str]:
    """What stands in a cell as code."""
    return re.findall(r"`([^`]+)`", cell)


def lines(document: str) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it belongs to an example."""
    fenced = False
    for line in (ROOT / document).read_text().splitlines():
        is_fence = line.startswith("```")
        yield line, fenced or is_fence
        fenced ^= is_fence


def documents() -> list[str]:
    """Paths of all files that are tracked by git, or would be added."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    found = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    return sorted(name for name in set(found.stdout.split()) if (ROOT / name).exists())
