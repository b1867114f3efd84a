"""A folder of the page makes a chat in somebody else's app, with the packages that the README names and no more."""

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from graphlib import TopologicalSorter
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.async_api import Page, expect

from tests.acceptance.faulty_model import FaultyModel
from tests.acceptance.test_supabase_js import sign_up
from tests.people import Chat, People
from worker.local import types
from worker.local.stack import NODE, Stack

ROOT = Path(__file__).parents[3]
APP = ROOT / "tests/acceptance/lifted"
LIFTED = ROOT / "worker/web/ui/chat"


def readme() -> str:
    return (ROOT / "README.md").read_text().split("### Lift the component")[1].split("\n## ")[0].split("\n### ")[0]


def packages() -> dict[str, str]:
    """The packages that the README tells to install: name → version."""
    lines = re.findall(r"^npm install (?:--save-dev )?(.*)$", readme(), re.MULTILINE)
    return dict(package.rsplit("@", 1) for line in lines for package in line.split())


@pytest.fixture
def owner(worker: Stack, people: People) -> tuple[Chat, dict[str, str]]:
    return sign_up(worker, people)


@pytest.fixture
def app(worker: Stack, tmp_path: Path, owner: tuple[Chat, dict[str, str]]) -> Path:
    """The app as its team has it on their machine."""
    directory = tmp_path / "app"
    shutil.copytree(APP, directory)
    shutil.copytree(LIFTED, directory / "chat")
    (directory / "database.types.ts").write_text(types.generate(worker.environment["DATABASE_URL"]))
    for package in packages():
        link = directory / "node_modules" / package
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to((ROOT / "node_modules" / package).resolve())
    _, told = owner
    (directory / ".env").write_text("".join(f"VITE_{name}={value}\n" for name, value in told.items()))
    return directory


@pytest.fixture
def address(app: Path) -> Iterator[str]:
    """Where its build is served, as plain files."""
    run(app, "vite/bin/vite.js", "build", "--logLevel", "warn")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(app / "dist"))) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        serving.join()


class Files(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def run(app: Path, command: str, *arguments: str) -> None:
    """A Node package's command, in the app. Its complaints are the test's."""
    environment = {**os.environ, "NO_COLOR": "1"}
    line = [str(NODE), str(app / "node_modules" / command), *arguments]
    result = subprocess.run(line, cwd=app, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_readme_shows_the_app_that_is_run_here() -> None:
    example = re.search(r"```tsx\n(.*?)```", readme(), re.DOTALL)
    assert example is not None
    assert example[1] == (APP / "main.tsx").read_text()


def test_the_readme_names_the_folder_and_the_versions_that_are_tested() -> None:
    pinned = json.loads((ROOT / "package.json").read_text())["devDependencies"]
    named = packages()
    assert named == {name: pinned[name] for name in named}
    assert "worker/web/ui/chat" in readme()


def imports(file: Path) -> set[str]:
    return set(re.findall(r'from "([^"]+)"', file.read_text()))


def test_the_files_need_nothing_of_ours_but_each_other_and_the_types() -> None:
    found = {source for file in LIFTED.iterdir() for source in imports(file)}
    files = {f"./{file.stem}" for file in LIFTED.iterdir()}
    assert {source for source in found if source.startswith(".")} <= files | {"../database.types"}
    assert {source for source in found if not source.startswith(".")} <= set(packages())


def test_no_file_imports_itself_by_way_of_others_and_none_is_long() -> None:
    needs = {f"./{file.stem}": {each for each in imports(file) if each.startswith("./")} for file in LIFTED.iterdir()}
    assert list(TopologicalSorter(needs).static_order())
    lengths = {file.name: len(file.read_text().splitlines()) for file in LIFTED.iterdir()}
    assert max(lengths.values()) <= 300, lengths


def test_the_client_needs_no_react() -> None:
    needed, left = set[str](), ["client"]
    while left:
        found = imports(LIFTED / f"{left.pop()}.ts")
        needed |= {source for source in found if not source.startswith(".")}
        left += [source.removeprefix("./") for source in found if source.startswith("./")]
    assert needed == {"@supabase/supabase-js"}


def test_the_types_of_the_lifted_app_are_sound(app: Path) -> None:
    run(app, "typescript/bin/tsc", "--noEmit")


async def test_the_lifted_component_asks_and_shows_the_answer_as_it_streams(
    address: str,
    page: Page,
    owner: tuple[Chat, dict[str, str]],
    database: psycopg.Connection[dict[str, Any]],
    faulty_model: FaultyModel,
) -> None:
    chat, _ = owner
    asked = "How many likes did the lifted post get?"
    faulty_model.add("stall", question=asked, after=2, seconds=3)  # so that a part can be seen
    await page.goto(address)
    await page.get_by_role("textbox", name="Your question").fill(asked)
    await page.keyboard.press("Enter")

    answer = page.get_by_role("article", name="Assistant")
    await expect(page.get_by_text("Writing…")).to_be_visible()
    await expect(answer).to_have_attribute("aria-busy", "true")
    part = await answer.inner_text()
    await expect(answer.get_by_role("button", name="Copy this answer")).to_be_visible()
    whole = await answer.inner_text()
    assert 0 < len(part) < len(whole)

    stored = database.execute(
        "select content from public.chat_messages where session_id = %s and role = 'assistant'", [chat.session]
    ).fetchall()
    assert len(stored) == 1
    assert "48,210" in stored[0]["content"]
    assert "48,210" in whole
    await page.reload()
    await expect(answer).to_contain_text("48,210")
