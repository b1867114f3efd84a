"""`python -m tests.attack`: hostile accounts beside honest people. Exit status 1 if anything did not hold."""

import secrets
import sys
import tempfile
from pathlib import Path

import click

from tests.attack.run import run


@click.command()
@click.option("--seconds", default=120.0, show_default=True, help="How long the attack lasts.")
@click.option("--seed", type=int, help="The seed of an earlier run.")
def main(seconds: float, seed: int | None) -> None:
    seed = secrets.randbelow(2**31) if seed is None else seed
    click.echo(f"Seed {seed}: about {seconds * 1.25 / 60 + 1:.0f} minutes.", err=True)
    with tempfile.TemporaryDirectory() as directory:
        report = run(Path(directory), seconds, seed)
    click.echo(report.as_text())
    sys.exit(1 if report.violations or report.delays else 0)


if __name__ == "__main__":
    main()
