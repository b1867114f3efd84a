"""The documents: links lead somewhere, what they name exists, and their tables are those of the code."""

import json
import re
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from pydantic_settings import BaseSettings

from tests.support.documents import PLACES, ROOT, documents, examples, lines, names, rows, section
from worker.__main__ import add_local, main
from worker.check.expected import FUNCTIONS
from worker.config import WebSettings, WorkerSettings
from worker.local.realtime.settings import Settings as RealtimeSettings
from worker.local.settings import LocalSettings
from worker.model import price_list
from worker.telemetry import metrics

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


def test_the_first_document_stays_short() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 200
    assert len(text.split()) <= 2_200


@pytest.mark.parametrize("heading", PLACES)
def test_each_section_is_where_tests_look_for_it(heading: str) -> None:
    assert section(heading).strip()


# What documents name


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_and_folders_that_a_document_names_exist(document: str) -> None:
    """Those of this repository, by their path from its root. Where links lead is tested above."""
    text = re.sub(r"\]\([^)]*\)", "]", (ROOT / document).read_text())
    named = set(re.findall(r"(?<![\w@./-])((?:worker|tests|supabase|\.github)/[\w./-]*[\w/])", text))
    built = ("worker/web/dist", "supabase/realtime", "supabase/supabase")
    assert {name for name in named if not (ROOT / name).exists() and not name.startswith(built)} == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_that_a_document_names_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)) <= targets
    modules = set(re.findall(r"python -m (tests[\w.]*|worker\.[\w.]+)", text))
    assert {module for module in modules if find_spec(module.rstrip(".")) is None} == set()
    add_local()
    assert set(re.findall(r"python -m worker ([a-z-]+)", text)) <= set(main.commands)


def test_every_target_of_make_is_named_in_a_document() -> None:
    everything = "\n".join((ROOT / document).read_text() for document in DOCUMENTS)
    listed = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [target for target in listed if f"make {target}" not in everything and target != "help"] == []


def test_the_options_of_the_local_stack_are_listed() -> None:
    add_local()
    parameters = main.commands["local"].params
    options = {option for each in parameters if isinstance(each, click.Option) for option in each.opts}
    assert options <= set(names((ROOT / "worker/local/README.md").read_text()))


def test_the_functions_for_the_worker_are_listed() -> None:
    listed = {name for row in rows("Functions for the worker") for name in names(row[0])}
    assert {f"public.{name}" for name in listed} == {
        name for name, role in FUNCTIONS.items() if role == "service_role" and name.startswith("public.")
    }


def test_the_changes_of_a_reply_are_listed() -> None:
    guard = (ROOT / "supabase/migrations/20261123101000_follow_reply_status.sql").read_text()
    (legal,) = re.findall(r"legal constant jsonb := '(\{.*?\})'", guard, re.DOTALL)
    changes = {(before, after) for before, others in json.loads(legal).items() for after in others}
    table = [(names(row[0]), names(row[1])) for row in rows("States of a reply", "from")]
    listed = {(before, after) for befores, afters in table for before in befores for after in afters}
    assert listed == changes | {("completed", "pending")}, "and with the next version"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_metrics_that_a_document_names_exist(document: str) -> None:
    counted = {sample.name for family in metrics.REGISTRY.collect() for sample in family.samples}
    counted |= {family.name for family in metrics.REGISTRY.collect()}
    named = set(re.findall(r"`(postbro_\w+)`", (ROOT / document).read_text()))
    assert {name for name in named if name not in counted and f"{name}_total" not in counted} == set()


def test_the_sections_that_conformance_tests_name_are_among_the_facts() -> None:
    facts = (ROOT / "worker/local/realtime/FACTS.md").read_text()
    numbers = set(re.findall(r"^#+ (\d(?:\.\d)?) ", facts, re.MULTILINE))
    named = set()
    for file in (ROOT / "tests/conformance").glob("test_s*.py"):
        text = file.read_text()
        named |= {re.sub("_", ".", number) for number in re.findall(r"def test_s(\d(?:_\d(?=_))?)_", text)}
        for sentence in re.findall(r"Sections? (.*?) of the facts", text):
            named |= set(re.findall(r"\d(?:\.\d)?", sentence))
    assert len(named) > 15
    assert named <= numbers


# Tables and examples


def listed_settings(heading: str) -> dict[str, str]:
    """Name → default, as the table has them."""
    return {name: default for cell, _, default, *_ in rows(heading) for name in names(cell)}


def default_of(kind: type[BaseSettings], field: str) -> str | None:
    """As the table has it: nothing for what is empty without it."""
    info = kind.model_fields[field]
    if info.is_required():
        return "required"
    value: Any = getattr(info.default, "value", info.default)
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def test_the_settings_are_those_of_the_code() -> None:
    listed = listed_settings("Settings")
    of_the_environment = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}
    fields = {
        name.upper(): default_of(kind, name)
        for kind in (LocalSettings, WorkerSettings, WebSettings)
        for name in kind.model_fields
    }
    assert set(listed) - of_the_environment == set(fields)
    told = {name: default for name, default in fields.items() if default is not None}
    assert {name: listed[name].strip("`") for name in told} == told


def test_the_settings_of_the_stand_in_are_those_of_its_code() -> None:
    given = {"database_url", "jwt_secret", "publishable_key", "secret_key"}
    fields = {
        f"REALTIME_{name.upper()}": default_of(RealtimeSettings, name)
        for name in RealtimeSettings.model_fields
        if name not in given
    }
    listed = listed_settings("Settings of the stand-in")
    assert {name: default.strip("`") for name, default in listed.items()} == fields


def test_the_example_of_an_environment_has_settings_that_exist_with_their_defaults() -> None:
    listed = listed_settings("Settings")
    lines_of_it = re.findall(r"^#? ?([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert {name for name, _ in lines_of_it} <= set(listed)
    assert {name: value for name, value in lines_of_it if value and listed[name].strip("`") != value} == {}


def test_the_example_of_prices_can_be_read(tmp_path: Path) -> None:
    [example] = examples("What a call costs", "toml")
    for number, text in enumerate((example, re.sub(r"^# (\w+ =)", r"\1", example, flags=re.MULTILINE))):
        file = tmp_path / f"{number}.toml"
        file.write_text(text)
        assert [price.model for price in price_list.read(file)] == [tomllib.loads(text)["prices"][0]["model"]]


def test_the_example_of_a_scrape_is_yaml_with_what_prometheus_knows() -> None:
    [example] = examples("Metrics", "yaml")
    [job] = yaml.safe_load(example)["scrape_configs"]
    assert set(job) <= {"job_name", "authorization", "static_configs", "metrics_path", "scheme"}
    assert all(":" in target for config in job["static_configs"] for target in config["targets"])


def test_the_words_are_each_explained_once() -> None:
    words = [word for cell, _ in rows("Words") for word in cell.split(", ")]
    assert sorted(set(words)) == sorted(words)
