"""A project on a database server, and the directory from which the Supabase CLI installs into it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.support.host_catalogue import catalogue
from worker.local.stack import ROOT
from worker.local.supabase import migrations

OURS = sorted((ROOT / "supabase" / "migrations").glob("*.sql"))
THEIR_MIGRATION = "20250101000000_their_project.sql"


@dataclass(frozen=True)
class HostProject:
    url: str
    workdir: Path

    def __post_init__(self) -> None:
        (self.workdir / "supabase" / "migrations").mkdir(parents=True)
        shutil.copy(ROOT / "supabase" / "config.toml", self.workdir / "supabase")

    def add_ours(self) -> None:
        for file in OURS:
            shutil.copy(file, self.workdir / "supabase" / "migrations")

    def add_theirs(self, sql: str) -> None:
        (self.workdir / "supabase" / "migrations" / THEIR_MIGRATION).write_text(sql)

    def push(self) -> bool:
        """`supabase db push` of whatever is in the directory by now: whether there was anything to do."""
        return migrations.apply(self.url, self.workdir)

    def catalogue(self) -> dict[str, set[str]]:
        return catalogue(self.url)
