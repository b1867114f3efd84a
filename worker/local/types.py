"""`python -m worker.local.types`: the page's database types, as the migrations have it, on standard output."""

import tempfile
from pathlib import Path

from worker.local.settings import Ports
from worker.local.stack import Stack
from worker.local.supabase import supabase_cli
from worker.network import proxies


def generate(database_url: str) -> str:
    """TypeScript for the schema public, by the Supabase CLI."""
    return supabase_cli.run("gen", "types", "--lang", "typescript", "--schema", "public", database_url=database_url)


if __name__ == "__main__":
    proxies.settle()
    with (
        tempfile.TemporaryDirectory() as directory,
        Stack(Path(directory), ports=Ports.free(), worker=False, web=False, model=False, durable=False) as stack,
    ):
        print(generate(stack.environment["DATABASE_URL"]), end="")  # noqa: T201
