"""Calls as the OpenAPI document allows them, and as it does not: every answer is one that it names."""

from collections.abc import Iterator

import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from psycopg.rows import dict_row
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.people import Chat, People
from worker.local.stack import Stack
from worker.web.api import OPENAPI

SCHEMA = schemathesis.openapi.from_dict(OPENAPI)
# Not those that judge what was sent: the session's id is put in its place afterwards.
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def fuzzed(house: Stack) -> Iterator[Chat]:
    """Somebody whose chat gets whatever comes up."""
    house.web.start()
    with (
        psycopg.connect(house.environment["DATABASE_URL"], autocommit=True, row_factory=dict_row) as connection,
        People(house.environment, connection) as people,
    ):
        yield people.make_chat()


@SCHEMA.parametrize()
@settings(
    derandomize=True, max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_answer_is_one_that_the_document_names(case: schemathesis.Case, house: Stack, fuzzed: Chat) -> None:
    if "session_id" in case.path_parameters:
        case.path_parameters["session_id"] = str(fuzzed.session)
    headers = {"Authorization": f"Bearer {fuzzed.user.token}", "Prefer": "respond-async"}
    case.call_and_validate(base_url=house.environment["WEB_URL"], headers=headers, checks=CHECKS)
