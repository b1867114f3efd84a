"""`python -m tests.chaos`: a run under faults, and its report. Exit status 1 if anything did not hold."""

import secrets
import shutil
import sys
import tempfile
from pathlib import Path

import click

from tests.chaos import sabotage
from tests.chaos.report import Plan
from tests.chaos.run import run

REPORT = Path(".local/chaos")


@click.command()
@click.option("--seconds", default=1200.0, show_default=True, help="How long faults happen.")
@click.option("--workers", default=3, show_default=True, type=click.IntRange(1, 12))
@click.option("--users", default=30, show_default=True)
@click.option("--messages", default=40, show_default=True, help="Questions of each user.")
@click.option("--seed", type=int, help="The seed of an earlier run, to have its faults again.")
@click.option("--sabotage", "missing", type=click.Choice(sabotage.NAMES), help="Without this guard: it must fail.")
@click.option("--hosted-manners", is_flag=True, help="Everybody is behind a hosted project's manners.")
def main(
    seconds: float,
    workers: int,
    users: int,
    messages: int,
    seed: int | None,
    missing: str | None,
    hosted_manners: bool,
) -> None:
    """The report and the logs of the house are left in .local/chaos."""
    seed = secrets.randbelow(2**31) if seed is None else seed
    click.echo(f"Seed {seed}: about {seconds / 60 + 2:.0f} minutes.", err=True)
    with tempfile.TemporaryDirectory() as directory:
        report = run(Plan(seconds, workers, users, messages, seed, missing, hosted_manners), Path(directory))
        report.write(REPORT)
        shutil.copytree(Path(directory) / "logs", REPORT / "logs", dirs_exist_ok=True)
    click.echo(report.as_text())
    sys.exit(1 if report.violations else 0)


if __name__ == "__main__":
    main()
