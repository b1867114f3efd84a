"""The page is typed from the database as it is."""

from worker.local import types
from worker.local.stack import ROOT


def test_the_types_of_the_page_are_those_of_the_migrations(database_url: str) -> None:
    kept = (ROOT / "worker/web/ui/database.types.ts").read_text()
    assert kept == types.generate(database_url), "run: make types"
