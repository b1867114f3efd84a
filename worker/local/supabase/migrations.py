"""Applies the migrations with the Supabase CLI, as on a hosted project."""

from pathlib import Path

import psycopg

from worker.local.processes import StartError
from worker.local.supabase import supabase_cli


def apply(database_url: str, workdir: Path) -> bool:
    """Apply missing migrations of `workdir`/supabase/migrations; return whether there were any.

    Raises StartError with the CLI's message if a migration fails.
    """
    try:
        if _applied(database_url) == _versions(workdir / "supabase" / "migrations"):
            return False
        supabase_cli.run("db", "push", "--yes", f"--workdir={workdir}", database_url=database_url)
    except (StartError, psycopg.Error) as error:
        raise StartError(f"The migrations could not be applied:\n{error}") from None
    return True


def _versions(directory: Path) -> set[str]:
    return {file.name.split("_", 1)[0] for file in directory.glob("[0-9]*_*.sql")}


def _applied(database_url: str) -> set[str]:
    with psycopg.connect(database_url) as connection:
        table = connection.execute("select to_regclass('supabase_migrations.schema_migrations')").fetchone()
        if table is None or table[0] is None:
            return set()
        rows = connection.execute("select version from supabase_migrations.schema_migrations")
        return {row[0] for row in rows}
