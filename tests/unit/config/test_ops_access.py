"""Who may see the operator's page."""

import secrets
from collections.abc import Callable
from uuid import uuid4

import pytest

from tests.support.environment import Environment
from worker import ops_token
from worker.check.command import CheckSettings
from worker.config import WorkerSettings, load
from worker.errors import ConfigError


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "worker.internal"])
def test_the_operators_page_is_never_open_to_others(environment: Environment, host: str) -> None:
    environment(OPS_HOST=host)

    with pytest.raises(ConfigError, match=rf"OPS_TOKEN: .*required, since OPS_HOST is {host} .*worker ops-token"):
        load(WorkerSettings)

    token = ops_token.make()
    environment(OPS_HOST=host, OPS_TOKEN=token)
    assert load(WorkerSettings).ops_host == host
    assert token not in repr(load(WorkerSettings))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_on_this_machine_alone_it_needs_no_token(environment: Environment, host: str) -> None:
    environment(OPS_HOST=host)

    assert load(WorkerSettings).ops_token is None


def test_health_alone_may_be_open_to_others_without_a_token(environment: Environment) -> None:
    environment(HEALTH_HOST="0.0.0.0")

    assert load(WorkerSettings).ops_host == "127.0.0.1"


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("correct-horse-battery", "It has 21 characters"),
        ("7f3a" * 16, "few different characters"),
        ("0123456789abcdef" * 2, "repeats itself"),
        ("b4Xq-7f3aZs0LkWm 9tRy2Vh5Nc8Pd1Gj6EuQo", "blanks"),
        ("b4Xq-7f3aZs0LkWm\u00e99tRy2Vh5Nc8Pd1Gj6EuQo", "no header carries"),
    ],
)
@pytest.mark.parametrize("kind", [WorkerSettings, CheckSettings])
def test_a_token_that_can_be_guessed_is_refused_with_what_to_do(
    environment: Environment, token: str, words: str, kind: type[WorkerSettings | CheckSettings]
) -> None:
    environment(OPS_TOKEN=token)

    with pytest.raises(ConfigError, match=rf"OPS_TOKEN: .*{words}.*`python -m worker ops-token`") as caught:
        load(kind)

    assert token not in str(caught.value)


@pytest.mark.parametrize("make", [ops_token.make, lambda: secrets.token_hex(16), lambda: str(uuid4())])
def test_a_token_that_was_drawn_by_lot_is_taken(environment: Environment, make: Callable[[], str]) -> None:
    for _ in range(50):
        environment(OPS_TOKEN=(token := make()))
        read = load(WorkerSettings).ops_token
        assert read
        assert read.get_secret_value() == token
