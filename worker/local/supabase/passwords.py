"""Passwords of the embedded Postgres: one for each role that logs in, derived from one secret."""

import hashlib
import hmac
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql

from worker.local.processes import StartError

SUPERUSER = "supabase_admin"
# Each process gets only the password of its own role. Other roles have no password and cannot log in.
ROLES = ("postgres", "lite_login", "realtime_login")
ENTRANCE = "host all all 127.0.0.1/32 scram-sha-256\n"


def password_of(role: str, secret: str) -> str:
    """64 hexadecimal digits: an HMAC, which reveals neither the secret nor the password of another role."""
    return hmac.digest(secret.encode(), role.encode(), "sha256").hex()


def guard(directory: Path, secret: str, command: Callable[[list[str]], list[str]]) -> None:
    """Set the superuser's password on the stopped server at `directory`, and allow password logins only.

    Done once, and again if the secret has changed, so that data stays accessible after the key file was removed.
    `command`: options of Postgres → command line in single-user mode. Raises StartError if Postgres fails.
    """
    password = password_of(SUPERUSER, secret)
    done, mark = directory / "guarded_by", hashlib.sha256((ENTRANCE + password).encode()).hexdigest()
    if done.exists() and done.read_text() == mark:
        return
    (directory / "pg_hba.conf").write_text(ENTRANCE)
    # In single-user mode Postgres opens no port and needs no password. pg_stat_statements would store the statement.
    result = subprocess.run(
        command(["-c", "exit_on_error=on", "-c", "shared_preload_libraries=", "template1"]),
        input=f"alter role {SUPERUSER} password '{password}'\n",
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise StartError(f"Postgres was given no password:\n{result.stderr.strip()}")
    done.write_text(mark)


def give(connection: psycopg.Connection, secret: str) -> None:
    """Set the passwords of the roles that log in, as the superuser. As hashes, since Postgres stores statements."""
    for role in ROLES:
        hashed = connection.pgconn.encrypt_password(
            password_of(role, secret).encode(), role.encode(), b"scram-sha-256"
        )
        statement = sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(hashed.decode()))
        connection.execute(statement)
