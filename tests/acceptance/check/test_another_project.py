"""A project on which nobody has installed anything, and its keys."""

from collections.abc import Iterator

import pytest

from tests.support.check_command import Check, of, the_problem
from worker.local.settings import Ports
from worker.local.stack import Stack


@pytest.fixture(scope="module")
def empty_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Another project, on which nobody has installed anything."""
    workdir = tmp_path_factory.mktemp("nothing")
    (workdir / "supabase/migrations").mkdir(parents=True)
    with Stack(
        tmp_path_factory.mktemp("empty"),
        ports=Ports.free(),
        worker=False,
        web=False,
        model=False,
        durable=False,
        workdir=workdir,
    ) as stack:
        yield stack


def test_a_secret_key_of_another_project(check: Check, empty_project: Stack) -> None:
    result = check(SUPABASE_SECRET_KEY=empty_project.environment["SUPABASE_SECRET_KEY"])

    assert the_problem(result).startswith("The project refuses SUPABASE_SECRET_KEY: it is not a key of this project")


def test_a_project_without_the_migrations(check: Check, empty_project: Stack) -> None:
    result = check(**of(empty_project))

    assert the_problem(result) == (
        "The database does not know our functions: the migrations are not applied, or not all of them. "
        "Run `supabase db push --remote`."
    )
