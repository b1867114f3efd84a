"""A program that typesets the JSON from standard input with chat.typ and writes a PDF to standard output."""

import json
import resource
import sys
from pathlib import Path

import manimgx_fonts
import manimgx_fonts_cjk
import typst

MEMORY = 2 * 1024**3  # bytes; a chat of a thousand turns needs half of it

_HERE = Path(__file__).parent


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    # Without the system's fonts, so that every server makes the same pages.
    folders = [Path(package.__path__[0]) for package in (manimgx_fonts, manimgx_fonts_cjk)]
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=[*folders])
    inputs = {"chat": sys.stdin.buffer.read().decode(), "families": json.dumps(_order(fonts.families()))}
    pdf = typst.compile(_HERE / "chat.typ", root=_HERE, font_paths=fonts, format="pdf", sys_inputs=inputs)
    sys.stdout.buffer.write(pdf)


def _order(families: list[str]) -> list[str]:
    """Font families in the order of preference: Latin first, then those for other scripts."""
    noto = sorted(family for family in families if family.startswith("Noto Sans ") and "CJK" not in family)
    return ["Noto Sans", *noto, "Noto Sans CJK SC", "Noto Emoji"]


if __name__ == "__main__":
    main()
