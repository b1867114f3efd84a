"""Calls as the OpenAPI document allows them, and as it does not: every answer is one that it names."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from psycopg.rows import dict_row
from schemathesis import Case as AnyCase
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.people import Chat, People
from worker.local.stack import Stack
from worker.web.api import OPENAPI

Case = AnyCase[Any]

DOCUMENT = schemathesis.openapi.from_dict(OPENAPI)
OPERATIONS = [result.ok() for result in DOCUMENT.get_all_operations() if isinstance(result, Ok)]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
EXAMPLES = 60
WITH_INPUT = [operation for operation in OPERATIONS if operation.path != "/api/openapi.json"]


@pytest.fixture(scope="module")
def fuzzed(house: Stack) -> Iterator[Chat]:
    """Somebody whose chat gets whatever comes up."""
    house.web.start()
    with (
        psycopg.connect(house.environment["DATABASE_URL"], autocommit=True, row_factory=dict_row) as connection,
        People(house.environment, connection) as people,
    ):
        yield people.make_chat()


@pytest.fixture
def call(house: Stack, fuzzed: Chat) -> Callable[[Case, list[Any]], int]:
    def calling(case: Case, checks: list[Any]) -> int:
        headers = {"Prefer": "respond-async"}
        if not is_forbidden(case, ParameterLocation.HEADER):
            headers["Authorization"] = f"Bearer {fuzzed.user.token}"
        response = case.call(base_url=house.environment["WEB_URL"], headers=headers, timeout=20)
        case.validate_response(response, checks=checks)
        return int(response.status_code)

    return calling


def at_random(cases: Any, each: Callable[[Case], None]) -> None:
    """The same cases at every run."""
    chosen = settings(
        derandomize=True, max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    chosen(given(case=cases)(lambda case: each(case)))()


def about(chat: Chat, case: Case) -> Case:
    """The same request, about a chat that there is: a 404 would hide what becomes of the rest of it."""
    if is_uuid(case.path_parameters.get("session_id")):
        case.path_parameters["session_id"] = str(chat.session)
    if isinstance(case.body, dict) and is_uuid(case.body.get("post_analysis_id")):
        case.body["post_analysis_id"] = str(chat.analysis)
    return case


def is_forbidden(case: Case, part: ParameterLocation) -> bool:
    """Whether this part of the request is one that the document does not allow."""
    made = case.meta.components.get(part) if case.meta else None
    return made is not None and made.mode is GenerationMode.NEGATIVE


def is_uuid(value: Any) -> bool:
    """As the document has it; what is no UUID was meant to be none, and stays."""
    return (
        isinstance(value, str)
        and re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", value) is not None
    )


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_what_the_document_allows_is_served(
    operation: Any, fuzzed: Chat, call: Callable[[Case, list[Any]], int]
) -> None:
    statuses = []

    def allowed(case: Case) -> None:
        statuses.append(call(about(fuzzed, case), CHECKS))

    at_random(operation.as_strategy(generation_mode=GenerationMode.POSITIVE), allowed)
    assert min(statuses) < 300, f"nothing was served: {set(statuses)}"


@pytest.mark.parametrize("operation", WITH_INPUT, ids=lambda operation: operation.label)
def test_what_the_document_forbids_is_refused(
    operation: Any, fuzzed: Chat, call: Callable[[Case, list[Any]], int]
) -> None:
    statuses = []

    def forbidden(case: Case) -> None:
        statuses.append(call(about(fuzzed, case), [*CHECKS, negative_data_rejection]))

    at_random(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE), forbidden)
    if len(operation.query) or len(operation.body):
        assert set(statuses) - {401, 404}, "no request came as far as its parameters or its body"
