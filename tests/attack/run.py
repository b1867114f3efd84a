"""Honest people alone, and then beside eight hostile accounts; those alone against the cap; and what did not hold."""

import itertools
import random
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.attack.attacker import Harvest
from tests.attack.cap import PRICES, Spending, set_cap, spend
from tests.attack.honest import Waits, chat_for
from tests.attack.hostile import ATTACKS, attack
from tests.attack.plans import Use, Watch, tighten, used
from tests.attack.target import Account, Target
from tests.support.people import Chat, People
from tests.support.waiting import wait_for
from worker.local.settings import Ports
from worker.local.stack import Stack

HONEST = 5
CHATS = 8  # of each hostile account
IN_TIME = 2.0  # seconds that the honest may wait in any case, 95 of a hundred times
LONGEST = 10.0  # seconds that nobody may wait
LONGER = 300.0  # seconds that an attack may take until each account was refused something
AGAINST_CAP = 6.0  # seconds that everybody asks without an end, and again until nothing more is accepted

Database = psycopg.Connection[dict[str, Any]]


@dataclass
class Report:
    alone: Waits
    attacked: Waits
    harvest: Harvest
    spending: Spending
    calls: Counter[str] = field(default_factory=Counter)
    """Of the model, by hostile account."""
    met: dict[str, list[Use]] = field(default_factory=dict)
    """By hostile account, the limits that it used up."""
    violations: list[str] = field(default_factory=list)
    delays: list[str] = field(default_factory=list)
    """Waits that are too long: on a machine that does something else as well, they say nothing."""

    def as_text(self) -> str:
        lines = []
        for name, waits in (("alone", self.alone), ("attacked", self.attacked)):
            half, most, longest = (waits.share(part) for part in (0.5, 0.95, 1.0))
            lines.append(
                f"honest, {name}: {len(waits.taken)} answers, {len(waits.failed)} failures;"
                f" waits half {half:.1f} s, 95 % {most:.1f} s, longest {longest:.1f} s"
            )
        for name, answers in self.harvest.answers.items():
            lines.append(f"{name}, {self.calls[name]} calls of the model: {dict(answers.most_common(8))}")
            lines.append(f"  used up: {', '.join(map(str, self.met[name]))}")
        lines.append(self.spending.as_text())
        return "\n".join([*lines, *(self.violations + self.delays or ["everything held"])])


def run(directory: Path, seconds: float, seed: int) -> Report:
    """`seconds` of attack, after a quarter of that without; then against the cap."""
    prices = directory / "prices.toml"
    prices.write_text(PRICES)
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("GEMINI_PRICES_FILE", str(prices))
        return _run(directory, seconds, seed)


def _run(directory: Path, seconds: float, seed: int) -> Report:
    options = ("--pace-ms", "5", "--log", str(directory / "calls.jsonl"), "--faults")
    with (
        Stack(directory, ports=Ports.free(), durable=True, model_arguments=options) as stack,
        psycopg.connect(stack.environment["DATABASE_URL"], autocommit=True, row_factory=dict_row) as database,
        People(stack.environment, database) as people,
        ProcessPoolExecutor(1, get_context("spawn")) as elsewhere,
    ):
        honest = [people.make_chat() for _ in range(HONEST)]
        accounts = [_account(people, honest, random.Random(seed)) for _ in ATTACKS]  # noqa: S311
        tighten(database, accounts)
        alone = chat_for(people, honest, seconds / 4)
        violations = _left_over(database)
        with Watch(stack.environment["DATABASE_URL"], accounts) as watch:
            begun = elsewhere.submit(attack, _target(stack), accounts, seconds, seconds + LONGER, seed)
            attacked = chat_for(people, honest, seconds)
            harvest = begun.result()
            violations += _left_over(database)
        calls = _calls(database, accounts)
        uses = used(database, accounts, watch)
        violations += [f"a plan was passed: {use} by {use.user}" for use in uses if use.used > use.most]
        cap = set_cap(database)
        seeds = itertools.count(seed + 1)
        spending = spend(
            database,
            cap,
            lambda: elsewhere.submit(attack, _target(stack), accounts, AGAINST_CAP, AGAINST_CAP, next(seeds)),
        )
        report = Report(alone, attacked, harvest, spending, calls, _met(uses, accounts))
        report.violations = [*_violations(report), *violations, *spending.violations]
        report.delays = [*_delays(alone, attacked), *spending.delays]
    return report


def _target(stack: Stack) -> Target:
    environment = stack.environment
    api = environment["SUPABASE_URL"]
    return Target(
        api=f"{api}/rest/v1",
        web=environment["WEB_URL"],
        realtime=f"{api.replace('http', 'ws', 1)}/realtime/v1/websocket",
        key=environment["SUPABASE_PUBLISHABLE_KEY"],
    )


def _account(people: People, others: list[Chat], chance: random.Random) -> Account:
    user = people.make_user()
    chats = [people.make_chat(user) for _ in range(CHATS)]
    return Account(
        id=str(user.id),
        token=user.token,
        analyses=[str(chat.analysis) for chat in chats],
        sessions=[str(chat.session) for chat in chats],
        questions=[str(people.ask(chat, "a" * 401)) for chat in chats],
        strangers=[str(chat.session) for chat in chance.sample(others, len(others))],
    )


def _met(uses: list[Use], accounts: list[Account]) -> dict[str, list[Use]]:
    return {
        way.__name__: [use for use in uses if use.user == account.id and use.used >= use.most]
        for way, account in zip(ATTACKS, accounts, strict=True)
    }


def _calls(database: Database, accounts: list[Account]) -> Counter[str]:
    rows = database.execute(
        "select user_id, count(*) from public.external_api_call_logs where outcome <> 'claimed' group by user_id"
    ).fetchall()
    made = {str(row["user_id"]): row["count"] for row in rows}
    return Counter({way.__name__: made.get(account.id, 0) for way, account in zip(ATTACKS, accounts, strict=True)})


def _violations(report: Report) -> list[str]:
    found = [f"an honest question: {words}" for words in [*report.alone.failed, *report.attacked.failed]]
    found += [f"read or written by a stranger: {words}" for words in report.harvest.leaks]
    if not report.attacked.taken:
        found.append("nobody honest was answered")
    return found


def _delays(alone: Waits, attacked: Waits) -> list[str]:
    most = max(IN_TIME, 2 * alone.share(0.95))
    found = []
    if attacked.share(0.95) > most:
        found.append(f"the honest wait {attacked.share(0.95):.1f} s, and {most:.1f} s are the most")
    if attacked.share(1.0) > LONGEST:
        found.append(f"somebody honest waited {attacked.share(1.0):.1f} s")
    return found


def _left_over(database: Database) -> list[str]:
    """What is still open when nobody asks any more."""
    unfinished = "select count(*) from public.chat_replies where status in ('pending', 'answering')"
    try:
        wait_for(lambda: database.execute(unfinished).fetchone() == {"count": 0}, "the queue to be empty", 120)
    except AssertionError as error:
        return [str(error)]
    return []
