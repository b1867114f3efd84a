"""`python -m worker check`: whether everything that a worker needs is set up, from the keys to the model."""

import asyncio
import json
import logging

import click
import structlog
from pydantic import SecretStr

from worker import config
from worker.check import (
    api_keys,
    broadcasts,
    database,
    env_file,
    installation,
    models,
    project,
    proxies,
    public_channels,
    realtime,
    spend,
)
from worker.check.findings import Finding, has_problem
from worker.check.settings import is_local
from worker.check.settings import judge as judge_settings
from worker.errors import ConfigError

PROBLEM, UNREADABLE = 1, 2


class CheckSettings(config.WorkerSettings):
    """A worker's settings, and the chat page's key. That is not validated here: the check reports a wrong one."""

    supabase_publishable_key: SecretStr | None = None

    @property
    def publishable(self) -> str | None:
        key = self.supabase_publishable_key
        return key.get_secret_value() if key else None


def command(as_json: bool) -> int:
    """Print the findings on standard output; return the exit status."""
    # Log lines are off: what the modules would log about a failure is reported as a finding.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        found = asyncio.run(check(config.load(CheckSettings)))
    except ConfigError as error:
        click.echo(json.dumps({"status": "unreadable", "message": str(error)}) if as_json else str(error))
        return UNREADABLE
    status = "problem" if has_problem(found) else "ok"
    if as_json:
        click.echo(json.dumps({"status": status, "findings": [finding.as_row() for finding in found]}))
    else:
        click.echo("\n".join(finding.line for finding in found))
    return PROBLEM if status == "problem" else 0


async def check(settings: CheckSettings) -> list[Finding]:
    """All findings, those first that the others depend on."""
    asking_models = asyncio.create_task(models.ask(settings), name="models")
    try:
        found = [*judge_settings(settings), *env_file.judge(), *proxies.judge(settings), *await _project(settings)]
        return [*found, *await asking_models]
    finally:
        asking_models.cancel()
        await asyncio.gather(asking_models, return_exceptions=True)


async def _project(settings: CheckSettings) -> list[Finding]:
    url, secret = settings.supabase_url, settings.supabase_secret_key.get_secret_value()
    found = api_keys.judge(url, secret, settings.publishable)
    answer = await project.reach(url, secret, settings.publishable)
    found += answer.findings
    if not answer.accepted or api_keys.kind(secret).role != "service_role":
        words = "Database and Realtime were not looked at: what is above comes first."
        return [*found, Finding("skipped", "database", words)]
    return found + await _inside(settings, url, secret)


async def _inside(settings: CheckSettings, url: str, secret: str) -> list[Finding]:
    async with realtime.Ear(settings) as ear:
        ear.listen()
        answer = await database.ask(url, secret)
        found, sending = answer.findings, []
        if answer.facts is not None:
            sending = broadcasts.judge(answer.facts)
            found += installation.judge(answer.facts, installation.versions(), is_local(url)) + sending
            found += spend.judge(answer.facts)
        found.append(realtime.judge(ear))
        if not ear.subscribed:
            return found
        if answer.facts is not None and not has_problem(sending):
            found += await realtime.hear_the_database(ear, lambda: database.ask(url, secret))
        found.append(await realtime.hear_the_worker(ear, url, secret))
    return [*found, await public_channels.ask(url, secret, is_local(url))]
