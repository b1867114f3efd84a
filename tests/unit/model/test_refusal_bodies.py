"""What a refusal says: Google's words for a status, and whatever else may stand there."""

import json
from typing import Any

import pytest
from google.rpc import code_pb2
from hypothesis import given
from hypothesis import strategies as st

from tests.support.gemini import google
from worker.errors import ModelError, ModelOverloaded, RateLimited
from worker.model import endings

# The HTTP status of each, as google/rpc/code.proto tells it.
WORDS = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "UNAUTHENTICATED": 401,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
}


def test_every_word_of_google_s_is_known() -> None:
    assert {*WORDS, "OK"} == set(code_pb2.Code.keys())


@pytest.mark.parametrize(("word", "status"), WORDS.items())
def test_a_word_of_google_s_is_told_and_stands_for_its_status(word: str, status: int) -> None:
    by_word, by_status = endings.refusal(None, google(word), {}), endings.refusal(status, google(word), {})

    assert type(by_word) is type(by_status)
    assert str(by_word) == str(by_status) == f"{status} {word}"


@pytest.mark.parametrize("code", [None, True, "503", 0, -1, 10**30, 7.5, [], {}])
def test_an_error_within_the_stream_without_a_number_is_trouble_of_the_model(code: object) -> None:
    error = endings.refusal(code, {"error": {"code": code}}, {})

    assert (type(error), str(error)) == (ModelOverloaded, "500")


values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=4)
details = st.fixed_dictionaries(
    {},
    optional={
        "@type": st.sampled_from(["google.rpc.RetryInfo", "google.rpc.QuotaFailure"]) | values,
        "retryDelay": st.sampled_from(["7s", "-1s", "nans"]) | values,
        "violations": values
        | st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "quotaId": st.sampled_from(["RequestsPerMinute", "RequestsPerDay"]) | values,
                    "quotaValue": values,
                },
            )
            | values
        ),
    },
)
refusals = values | st.fixed_dictionaries(
    {
        "error": values
        | st.fixed_dictionaries(
            {},
            optional={
                "status": st.sampled_from(sorted(endings.STATUS_OF_WORD)) | values,
                "message": values,
                "details": values | st.lists(details | values),
            },
        )
    }
)


@given(st.integers() | values, refusals, st.text())
def test_whatever_a_refusal_says_it_is_one_of_ours_and_can_be_logged(status: Any, body: Any, wish: str) -> None:
    error = endings.refusal(status, body, {"retry-after": wish})

    assert isinstance(error, ModelError)
    assert error.retry_after is None or 0 <= error.retry_after <= endings.LONGEST_WISH_SECONDS
    number, _, word = str(error).partition(" ")
    assert 100 <= int(number) <= 999
    assert word in {"", *endings.STATUS_OF_WORD}


def test_a_limit_that_is_no_number_of_calls() -> None:
    many = {"quotaId": "RequestsPerMinute", "quotaValue": "9" * 5000}
    body = {"error": {"details": [{"@type": "x.QuotaFailure", "violations": [many]}]}}

    error = endings.refusal(429, json.loads(json.dumps(body)), {})

    assert isinstance(error, RateLimited)
    assert error.limit is None
