"""The system's Chromium, as `make browser` finds or installs it."""

import os
import shutil

from playwright.async_api import Browser, Playwright

# The first is the same Chromium without windows, tabs and menus: half of the processor time.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# It connects to the page's own servers only.
ARGUMENTS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]


def find() -> str:
    for name in NAMES:
        if path := shutil.which(name):
            return path
    raise LookupError(f"There is no browser on PATH ({', '.join(NAMES)}). `make browser` installs one.")


async def launch(playwright: Playwright) -> Browser:
    # Root cannot have the sandbox: Chromium refuses to start with it.
    return await playwright.chromium.launch(
        executable_path=find(), headless=True, args=ARGUMENTS, chromium_sandbox=os.geteuid() != 0
    )
