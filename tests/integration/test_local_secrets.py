"""On a machine with other people: nobody gets into the local stack, and no process has the secrets of another."""

import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from worker.local.settings import Ports
from worker.local.stack import POSTGRES_BINARIES, Stack
from worker.local.supabase.passwords import SUPERUSER
from worker.local.supabase.postgres import Postgres

OF_WHOEVER_STARTS_IT = {
    "GEMINI_API_KEY": "a-key-from-the-shell",
    "SUPABASE_SECRET_KEY": "sb_secret_from_the_shell",
    "SUPABASE_JWT_SECRET": "a-jwt-secret-from-the-shell",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_from_the_shell",
    "DATABASE_URL": "postgresql://from:the-shell@db.test/postgres",
    "PGPASSWORD": "a-password-from-the-shell",
    "OPS_TOKEN": "an-ops-token-from-the-shell-0123456789-abcdefghijk",
    "OTEL_EXPORTER_OTLP_HEADERS": "authorization=from-the-shell",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "authorization=another-from-the-shell",
}
OF_TRACES = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
GIVEN = {
    "postgres": set(),
    "realtime": {"SUPABASE_PUBLISHABLE_KEY", "SUPABASE_SECRET_KEY", "SUPABASE_JWT_SECRET", "realtime_login"},
    "api": {"SUPABASE_PUBLISHABLE_KEY", "SUPABASE_SECRET_KEY", "SUPABASE_JWT_SECRET", "lite_login"},
    "manners": set(),
    "model": set(),
    "worker": {"SUPABASE_SECRET_KEY", "GEMINI_API_KEY", "OPS_TOKEN", *OF_TRACES},
    "web": {"SUPABASE_PUBLISHABLE_KEY"},
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything that there is, started in a folder that everybody may read, by a shell full of secrets."""
    directory = tmp_path_factory.mktemp("whole")
    directory.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in OF_WHOEVER_STARTS_IT.items():
            patch.setenv(name, value)
        with Stack(directory, ports=Ports.free(), durable=False, hosted_manners=True) as running:
            yield running


def password(url: str) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(url)["password"])


def environment_of(pid: int | None) -> dict[str, str]:
    text = Path(f"/proc/{pid}/environ").read_bytes().decode().rstrip("\0")
    return dict(line.split("=", 1) for line in text.split("\0"))


def test_each_process_has_the_secrets_that_it_needs_and_no_others(whole: Stack) -> None:
    names = ("SUPABASE_PUBLISHABLE_KEY", "SUPABASE_SECRET_KEY", "SUPABASE_JWT_SECRET")
    values = {name: {whole.environment[name]} for name in names}
    values |= {role: {password(whole.postgres.url(role))} for role in ("postgres", "lite_login", "realtime_login")}
    values |= {SUPERUSER: {password(whole.postgres.url(SUPERUSER))}}
    for name, value in OF_WHOEVER_STARTS_IT.items():
        values.setdefault(name, set()).add(value)
    values["GEMINI_API_KEY"].add("offline")
    given = {}
    for service, process in whole.services.items():
        has = environment_of(process.pid).values()
        given[service] = {
            name for name, secrets in values.items() if any(secret in value for value in has for secret in secrets)
        }
    assert given == GIVEN


def test_what_the_shell_has_set_for_elsewhere_is_used_nowhere(whole: Stack) -> None:
    worker = environment_of(whole.worker.pid)
    assert worker["SUPABASE_SECRET_KEY"] == whole.environment["SUPABASE_SECRET_KEY"]
    assert worker["GEMINI_API_KEY"] == "offline"


def test_no_command_line_holds_a_secret(whole: Stack) -> None:
    keys = {value for name, value in whole.environment.items() if "KEY" in name and value != "offline"}
    secrets = keys | {password(whole.postgres.url(role)) for role in (SUPERUSER, "postgres", "lite_login")}
    for process in whole.services.values():
        line = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
        assert [secret for secret in secrets if secret in line] == []


def test_data_keys_and_logs_are_their_owners_alone(whole: Stack) -> None:
    files = [whole.directory, *(path for path in whole.directory.glob("*")), *whole.directory.glob("logs/*.log")]
    assert len(files) > 10
    inside = {path: stat.S_IMODE(path.stat().st_mode) for path in files}
    assert {path.name for path, mode in inside.items() if path.is_dir() and mode & 0o077} == set()
    assert {path.name for path, mode in inside.items() if path.suffix in (".json", ".log") and mode != 0o600} == set()


@pytest.mark.parametrize("role", [SUPERUSER, "postgres", "lite_login", "realtime_login", "authenticator"])
@pytest.mark.parametrize("guess", ["", "postgres", "of another role"])
def test_the_database_lets_nobody_in_without_the_password_of_that_role(whole: Stack, role: str, guess: str) -> None:
    other = password(whole.postgres.url("postgres" if role != "postgres" else "lite_login"))
    url = make_conninfo(whole.postgres.url(role), password=other if guess == "of another role" else guess)
    with pytest.raises(psycopg.OperationalError, match=r"password authentication failed|no password supplied"):
        psycopg.connect(url)


@pytest.mark.parametrize("role", [SUPERUSER, "postgres", "lite_login", "realtime_login"])
def test_whoever_has_it_gets_in(whole: Stack, role: str) -> None:
    with psycopg.connect(whole.postgres.url(role)) as connection:
        assert connection.execute("select current_user").fetchone() == (role,)


@pytest.fixture
def server(tmp_path: Path) -> Postgres:
    return made(tmp_path, "the first")


def made(directory: Path, secret: str) -> Postgres:
    port, log = Ports.free().postgres, directory / "log"
    return Postgres(directory / "data", POSTGRES_BINARIES, port=port, secret=secret, durable=False, log=log)


def test_data_of_a_server_that_trusted_everybody_are_closed(server: Postgres, tmp_path: Path) -> None:
    server.start()
    server.stop()
    (tmp_path / "data/pg_hba.conf").write_text("host all all 127.0.0.1/32 trust\n")
    (tmp_path / "data/guarded_by").unlink()
    server.start()
    try:
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(make_conninfo(server.url(SUPERUSER), password="postgres"))
    finally:
        server.stop()


def test_another_secret_opens_the_same_data_and_the_first_no_more(server: Postgres, tmp_path: Path) -> None:
    server.start()
    with psycopg.connect(server.url("postgres")) as connection:
        connection.execute("create table public.kept ()")
    server.stop()
    other = made(tmp_path, "the second")
    other.start()
    try:
        with psycopg.connect(other.url("postgres")) as connection:
            assert connection.execute("select to_regclass('public.kept')::text").fetchone() == ("kept",)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(make_conninfo(other.url(SUPERUSER), password=password(server.url(SUPERUSER))))
    finally:
        other.stop()


def test_postgres_keeps_no_password_where_it_keeps_statements(server: Postgres) -> None:
    server.start()
    try:
        secrets = [password(server.url(role)) for role in (SUPERUSER, "postgres", "lite_login", "realtime_login")]
        with psycopg.connect(server.url(SUPERUSER)) as connection:
            rows = connection.execute("select query from extensions.pg_stat_statements").fetchall()
    finally:
        server.stop()
    statements = [query for (query,) in rows]
    assert any("alter role" in query for query in statements)
    assert [query for query in statements if any(secret in query for secret in secrets)] == []
