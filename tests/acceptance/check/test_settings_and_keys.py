"""Settings, addresses and keys that are wrong."""

import json
import re

from tests.support.check_command import Check, Run, the_problem, told
from worker.local.settings import Ports
from worker.local.stack import Stack


def test_a_good_installation_passes(run: Run, whole_house: Stack) -> None:
    result = run()

    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert {line.split()[0] for line in lines} == {"ok"}
    assert {line.split()[1] for line in lines} == {
        *("settings", "keys", "project", "clocks", "database", "rights", "channels", "accounts", "workers"),
        *("realtime", "model", "price", "spend"),
    }
    for words in (
        f"A Supabase project answers at {whole_house.environment['SUPABASE_URL']}.",
        "A wake-up from the database arrived.",
        "A broadcast like the worker's arrived.",
        "gemini-3.8-flash answers, as offline-extractive.",
    ):
        assert words in result.stdout


def test_settings_that_cannot_be_read(run: Run) -> None:
    result = run(SUPABASE_URL="project.supabase.co", GEMINI_API_KEY="")
    assert result.returncode == 2
    assert "SUPABASE_URL" in result.stdout
    assert "GEMINI_API_KEY" in result.stdout

    as_json = run("--json", SUPABASE_URL="project.supabase.co")
    assert as_json.returncode == 2
    assert json.loads(as_json.stdout)["status"] == "unreadable"


def test_a_url_where_nobody_is(check: Check) -> None:
    result = check(SUPABASE_URL=f"http://127.0.0.1:{Ports.free().api}")

    assert the_problem(result).startswith("Nothing answers at SUPABASE_URL, http://127.0.0.1:")
    assert told(result[1], "skipped") == ["Database and Realtime were not looked at: what is above comes first."]
    assert any("answers, as offline-extractive" in words for words in told(result[1], "ok"))


def test_a_url_of_something_else(check: Check, whole_house: Stack) -> None:
    result = check(SUPABASE_URL=whole_house.environment["WEB_URL"])

    assert re.search("What answers at SUPABASE_URL, .* is no Supabase project", the_problem(result))


def test_the_publishable_key_in_place_of_the_secret_one(check: Check, whole_house: Stack) -> None:
    publishable = whole_house.environment["SUPABASE_PUBLISHABLE_KEY"]
    result = check(SUPABASE_SECRET_KEY=publishable)

    assert the_problem(result).startswith("SUPABASE_SECRET_KEY is a publishable key (sb_publishable_…)")


def test_keys_in_each_others_place(check: Check, whole_house: Stack) -> None:
    keys = {name: whole_house.environment[name] for name in ("SUPABASE_SECRET_KEY", "SUPABASE_PUBLISHABLE_KEY")}
    result = check(**dict(zip(keys, reversed(keys.values()), strict=True)))

    assert the_problem(result).startswith("SUPABASE_SECRET_KEY and SUPABASE_PUBLISHABLE_KEY are swapped")


def test_settings_that_make_no_sense(check: Check) -> None:
    status, findings = check(
        SWEEP_SECONDS="600", LEASE_SECONDS="900", GEMINI_MODELS="gemini-3.8-flash,gemini-3.8-flash"
    )

    assert status == 0
    assert [words.split(" is ")[0].split(" names ")[0] for words in told(findings, "warning")] == [
        "SWEEP_SECONDS",
        "LEASE_SECONDS",
        "GEMINI_MODELS",
    ]
