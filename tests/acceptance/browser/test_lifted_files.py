"""A folder of the page makes a chat in somebody else's app, with the packages that the document names and no more."""

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

from tests.support.accounts import sign_up
from tests.support.documents import examples, section
from tests.support.faulty_model import FaultyModel
from tests.support.people import Chat, People
from worker.local import types
from worker.local.stack import NODE, Stack

ROOT = Path(__file__).parents[3]
APP = ROOT / "tests/acceptance/lifted"
LIFTED = ROOT / "worker/web/ui/chat"


def packages() -> dict[str, str]:
    """The packages that the document tells to install: name → version."""
    lines = re.findall(r"^npm install (?:--save-dev )?(.*)$", section("Use it from React"), re.MULTILINE)
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


def test_the_document_shows_the_app_that_is_run_here() -> None:
    assert examples("Use it from React", "tsx") == [(APP / "main.tsx").read_text()]


def test_the_document_names_the_folder_and_the_versions_that_are_tested() -> None:
    pinned = json.loads((ROOT / "package.json").read_text())["devDependencies"]
    named = packages()
    assert named == {name: pinned[name] for name in named}
    assert "worker/web/ui/chat" in section("Use it from React")


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


def test_they_are_sound_for_an_older_target_as_next_has_it(app: Path) -> None:
    config = json.loads((app / "tsconfig.json").read_text())
    older = {"target": "es2017", "lib": ["dom", "dom.iterable", "esnext"], "isolatedModules": True}
    config["compilerOptions"] |= older | {"esModuleInterop": True, "types": []}
    (app / "tsconfig.json").write_text(json.dumps(config | {"include": ["chat"]}))
    run(app, "typescript/bin/tsc", "--noEmit")


# What an answer's Markdown becomes: each element that another page's style sheet may have opinions of.
MARKDOWN = """
<h1>One</h1><h2>Two</h2><h3>Three</h3><h4>Four</h4><h5>Five</h5><h6>Six</h6>
<p><strong>strong</strong> <em>em</em> <del>del</del> <code>code</code> <a href="#x">link</a><sup>1</sup><br>end</p>
<ul><li>one<ul><li>two<ul><li>three</li></ul></li></ul></li><li><p>loose</p></li></ul>
<ol><li>one<ol><li>two</li></ol></li></ol>
<ul class="contains-task-list"><li class="task-list-item"><input type="checkbox" disabled> task</li></ul>
<blockquote><p>quoted</p></blockquote><hr><pre><code>block</code></pre>
<section class="chat-table">
<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>b</td></tr></tbody></table>
</section>
"""
# Of every element: where it is and how it looks. A border's style is seen where it has a width.
STYLES = """() => [...document.querySelectorAll(".chat, .chat *")].map((element) => {
    const style = getComputedStyle(element);
    const unseen = /^(-webkit-tap-highlight-color|tab-size|text-size-adjust|border-.*-style)$/;
    const names = Array.from(style).filter((name) => !unseen.test(name));
    const { x, y, width, height } = element.getBoundingClientRect();
    return {
        ...Object.fromEntries(names.map((name) => [name, style.getPropertyValue(name)])),
        placeholder: getComputedStyle(element, "::placeholder").color,
        box: [x, y, width, height].join(),
        element: `${element.parentElement.localName} > ${element.localName}.${element.className}`,
    };
})"""


async def test_tailwinds_preflight_leaves_the_component_as_it_is(
    address: str, page: Page, owner: tuple[Chat, dict[str, str]]
) -> None:
    await page.goto(address)
    await page.get_by_role("textbox", name="Your question").fill("How many likes did it get?")
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Copy this answer").wait_for()
    await page.locator(".chat-text").evaluate("(text, markdown) => { text.innerHTML = markdown; }", MARKDOWN)
    await page.add_style_tag(content="* { animation: none !important; transition: none !important; }")
    before = await page.evaluate(STYLES)
    preflight = (ROOT / "node_modules/tailwindcss/preflight.css").read_text()
    await page.add_style_tag(content=f"@layer base {{ {preflight} }}")
    assert await page.evaluate("getComputedStyle(document.body).borderTopStyle") == "solid"
    after = await page.evaluate(STYLES)
    changed = {
        f"{old['element']} {name}: {value} -> {new[name]}"
        for old, new in zip(before, after, strict=True)
        for name, value in old.items()
        if new[name] != value
    }
    assert not changed, "\n".join(sorted(changed))


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
