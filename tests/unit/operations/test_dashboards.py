"""The dashboard and the alerts ask for figures that there are; and every figure is shown."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.documents import section
from worker.telemetry import metrics

FOLDER = Path(__file__).resolve().parents[3] / "worker/operations/dashboards"
DASHBOARD = json.loads((FOLDER / "postbro-chat.json").read_text())
RULES = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]] + [rule["expr"] for rule in RULES]

NAME = re.compile(r"\b(?:postbro|process)_\w+")
SELECTOR = re.compile(r"\b(?P<name>(?:postbro|process)_\w+)\{(?P<matchers>[^}]*)\}")
OURS_BY_PROMETHEUS = {"job", "instance", "le"}


def families() -> dict[str, Any]:
    """Every name that a series may have → its family."""
    found = {}
    for family in metrics.REGISTRY.collect():
        match family.type:
            case "counter":
                found[f"{family.name}_total"] = family
            case "histogram":
                found |= {f"{family.name}_{end}": family for end in ("bucket", "sum", "count")}
            case _:
                found[family.name] = family
    return found


def labels_of(name: str) -> set[str]:
    """As the metric is declared: one that has counted nothing yet shows none."""
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    for metric in vars(metrics).values():
        if getattr(metric, "_name", None) in (base, base.removesuffix("_total")):
            return set(metric._labelnames)
    return set()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_is_asked_for_exists(expression: str) -> None:
    names = NAME.findall(expression)
    known = families()
    assert [name for name in names if name not in known] == []
    assert names or "up{" in expression
    for selector in SELECTOR.finditer(expression):
        matched = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", selector["matchers"]))
        assert matched <= labels_of(selector["name"]) | OURS_BY_PROMETHEUS
    grouped = {label for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(", ")}
    assert grouped <= set().union(*(labels_of(name) for name in names)) | OURS_BY_PROMETHEUS


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_counters_are_asked_for_their_growth_and_brackets_close(expression: str) -> None:
    for name in NAME.findall(expression):
        if families()[name].type in ("counter", "histogram"):
            assert re.search(rf"(rate|increase)\({name}\b", expression)
    for opening, closing in ("()", "{}", "[]"):
        assert expression.count(opening) == expression.count(closing)


def test_every_figure_of_ours_is_shown() -> None:
    shown = {name for panel in PANELS for target in panel["targets"] for name in NAME.findall(target["expr"])}
    declared = [family for family in metrics.REGISTRY.collect() if family.name.startswith("postbro_")]
    assert declared
    missing = [family.name for family in declared if not any(name.startswith(family.name) for name in shown)]
    assert missing == []


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_values_of_labels_are_ones_that_are_counted(expression: str) -> None:
    """A misspelt value would select nothing, for ever, and look like calm."""
    for key, wanted in re.findall(r'\b(outcome|cause|found|state|fate|reason)(?:=~|!~|!=|=)"([^"]*)"', expression):
        for word in wanted.split("|"):
            assert re.search(rf"\b{word}\b", EXPLAINED[key]), f"{key} is never {word}"


EXPLAINED = {
    "outcome": metrics.REPLIES._documentation,
    "cause": metrics.CLAIMS._documentation,
    "found": metrics.CLAIMS._documentation,
    "state": metrics.BREAKER._documentation,
    "fate": metrics.REFUSED_ROWS._documentation,
    "reason": metrics.OPS_REFUSED._documentation,
}


def test_panels_have_names_units_and_places_of_their_own() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken
        taken |= cells
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_and_where_to_look(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"].endswith(".")
    assert re.search(r"[.?]$", rule["annotations"]["description"])


def test_the_document_lists_the_alerts() -> None:
    assert sorted(re.findall(r"`(PostBro\w+)`", section("Alerts"))) == sorted(rule["alert"] for rule in RULES)
