"""A database for a benchmark: no API, no Realtime, and no waiting for the disk."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from worker.local.settings import Ports
from worker.local.stack import POSTGRES_BINARIES
from worker.local.supabase import migrations
from worker.local.supabase.postgres import Postgres


@contextmanager
def database(workdir: Path) -> Iterator[Postgres]:
    """A fresh one, with the migrations of `workdir`."""
    with tempfile.TemporaryDirectory() as directory:
        postgres = Postgres(
            Path(directory) / "postgres",
            POSTGRES_BINARIES,
            port=Ports.free().postgres,
            secret="of-this-server",
            durable=False,
            log=Path(directory) / "postgres.log",
        )
        postgres.start()
        try:
            migrations.apply(postgres.url("postgres"), workdir)
            yield postgres
        finally:
            postgres.stop()
