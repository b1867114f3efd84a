"""What is counted: each kind of news moves its own figure, and no label is an id."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client.metrics_core import Metric

from tests.support.answering import FakeBroadcaster, FakeReplies, a_lease, answerer_of, claimed, closed_for, now, told
from tests.support.broadcasts import sending
from tests.support.calls import call, fail
from tests.support.clock import Clock
from tests.support.fake_provider import FakeProvider, FakeStream
from tests.support.scripted_model import Exchange
from tests.support.waiting import until
from worker.errors import ContentBlocked, DatabaseAway, ModelOverloaded, RateLimited
from worker.model.admission import STATES, Admission
from worker.operations.app import create_ops_app
from worker.operations.queue import measure_queue
from worker.rows import Call, ErrorCode, FinishReason, Usage
from worker.telemetry import metrics

Grown = Callable[..., float]
Serves = Callable[[str | None], FlaskClient]
ENDINGS = {"counter": r"_total$", "gauge": r".", "histogram": r"_seconds$"}


def value(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.fixture
def grown() -> Grown:
    """`grown(name, **labels)`: by how much, since the test began."""
    before: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for family in metrics.REGISTRY.collect():
        for sample in family.samples:
            before[sample.name, frozenset(sample.labels.items())] = sample.value

    def since(name: str, **labels: str) -> float:
        return value(name, **labels) - before.get((name, frozenset(labels.items())), 0.0)

    return since


def own_families() -> list[Metric]:
    return [family for family in metrics.REGISTRY.collect() if family.name.startswith("postbro_")]


def test_names_have_units_and_help() -> None:
    assert own_families()
    for family in own_families():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert re.fullmatch(r"postbro(_[a-z]+)+", name)
        assert re.search(ENDINGS[family.type], name), f"{name} says its unit"
        assert family.documentation.endswith("."), f"{name} has a sentence"


async def test_an_answer(grown: Grown) -> None:
    usage = Usage(prompt=10, cached=4, candidates=5, thoughts=3)
    claim = claimed()

    await told(FakeStream("x", usage=usage), claim=claim)

    assert grown("postbro_replies_total", outcome="completed") == 1
    assert grown("postbro_reply_duration_seconds_count") == 1
    assert grown("postbro_reply_wait_seconds_count") == 1
    assert grown("postbro_model_calls_total", model="first", outcome=FinishReason.STOP) == 1
    assert grown("postbro_model_first_token_seconds_sum", model="first") == pytest.approx(0.001)
    assert grown("postbro_model_call_duration_seconds_sum", model="first") == pytest.approx(0.002)
    kinds = ("prompt", "cached", "candidates", "thoughts")
    assert [grown("postbro_model_tokens_total", model="first", kind=kind) for kind in kinds] == [6, 4, 5, 3]
    assert grown("postbro_model_cost_usd_total", model="first") == 0


def test_what_a_call_cost(grown: Grown) -> None:
    metrics.call_ended(Call("chat-1", model_requested="first", cost_usd=Decimal("0.25")), FinishReason.STOP)
    metrics.call_ended(Call("chat-1"), ErrorCode.MODEL_OVERLOADED)
    assert grown("postbro_model_cost_usd_total", model="first") == pytest.approx(0.25)
    assert grown("postbro_model_calls_total", model="None", outcome="model_overloaded") == 0


def test_what_of_it_is_estimated(grown: Grown) -> None:
    call_of = partial(Call, "chat-1", model_requested="first")
    metrics.call_ended(call_of(cost_usd=Decimal("0.25")), FinishReason.STOP)
    metrics.call_ended(call_of(cost_usd=Decimal("0.5"), cost_is_estimated=True), FinishReason.STOP)
    assert grown("postbro_model_cost_usd_total", model="first") == pytest.approx(0.75)
    assert grown("postbro_model_cost_estimated_usd_total", model="first") == pytest.approx(0.5)
    assert grown("postbro_model_calls_without_price_total", model="first") == 0


async def test_a_call_without_a_price_is_counted(grown: Grown) -> None:
    stream = FakeStream("x", usage=Usage(1, 0, 1, 0))
    stream.model_version = "somebody-elses"

    await told(stream)

    assert grown("postbro_model_calls_without_price_total", model="first") == 1
    assert grown("postbro_model_cost_usd_total", model="first") == 0


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(ContentBlocked("x"), "failed"), (ModelOverloaded("x", retry_after=60.0), "postponed")],
)
async def test_a_failure(grown: Grown, error: ContentBlocked | ModelOverloaded, outcome: str) -> None:
    await told(FakeStream(error), models=("first",))

    assert grown("postbro_replies_total", outcome=outcome) == 1
    assert grown("postbro_model_calls_total", model="first", outcome=error.error_code) == 1


async def test_a_claim_that_could_not_ask(grown: Grown) -> None:
    await told(admission=closed_for(60.0))

    assert grown("postbro_replies_total", outcome="given_back") == 1


def test_what_alerts_look_at_is_shown_as_0_from_the_start() -> None:
    """In a process that has counted nothing yet: an alert on growth would miss the first time."""
    code = (
        "from prometheus_client import generate_latest\nfrom worker.telemetry import metrics\n"
        "print(generate_latest(metrics.REGISTRY).decode())"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    for outcome in ("completed", "failed", "postponed", "given_back", "refused", "claim_lost", "dropped"):
        assert f'postbro_replies_total{{outcome="{outcome}"}} 0.0' in shown
        assert re.search(rf"\b{outcome}\b", metrics.REPLIES._documentation)
    for fate in ("settled", "set_aside", "left"):
        assert f'postbro_refused_rows_total{{fate="{fate}"}} 0.0' in shown
    for task in ("beat", "drafts", "reconciler"):
        assert f'postbro_task_errors_total{{task="{task}"}} 0.0' in shown
    assert 'postbro_claims_total{cause="wakeup",found="refused"} 0.0' in shown
    assert "postbro_queue_mended_total 0.0" in shown


async def test_a_retry_is_two_calls_and_one_reply(grown: Grown) -> None:
    await told(FakeStream(now(ModelOverloaded)), FakeStream("x"), models=("first",))

    assert grown("postbro_replies_total", outcome="completed") == 1
    assert grown("postbro_model_calls_total", model="first", outcome="model_overloaded") == 1
    assert grown("postbro_model_calls_total", model="first", outcome=FinishReason.STOP) == 1


@pytest.mark.parametrize(
    ("replies", "outcome"),
    [(FakeReplies(held=False), "claim_lost"), (FakeReplies(refusals=["22003"] * 2), "refused")],
)
async def test_an_answer_that_is_not_stored(grown: Grown, replies: FakeReplies, outcome: str) -> None:
    await told(FakeStream("x"), replies=replies)

    assert grown("postbro_replies_total", outcome=outcome) == 1


async def test_a_stopped_reply(grown: Grown) -> None:
    claim = claimed()

    await told(FakeStream("half", claim.cancel_requested.set, asyncio.Event()), claim=claim)

    assert grown("postbro_replies_total", outcome="cancelled") == 1
    assert grown("postbro_model_calls_total", model="first", outcome="cancelled") == 1


async def test_a_call_whose_claim_is_given_up_is_lost(grown: Grown) -> None:
    broadcaster = FakeBroadcaster()
    provider = FakeProvider(FakeStream("half", asyncio.Event()))
    answering = asyncio.create_task(answerer_of(FakeReplies(), provider, broadcaster).answer(claimed(), a_lease()))
    await asyncio.wait_for(broadcaster.something.wait(), 5)
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)

    assert grown("postbro_model_calls_total", model="first", outcome="lost") == 1


@pytest.mark.parametrize(
    ("status", "counted"),
    [(202, "sent"), (429, "held_back"), (500, "dropped")],
)
async def test_deltas(grown: Grown, status: int, counted: str) -> None:
    async def answers(exchange: Exchange) -> None:
        await exchange.answer(status, {})

    async with sending(answers) as (_, broadcaster):
        broadcaster.send("s1", "m1", 1, 0, "x")
        broadcaster.send("s2", "m2", 1, 0, "y")
        await until(lambda: grown(f"postbro_deltas_{counted}_total") == 2, "both to be counted")

    names = ("sent", "held_back", "dropped")
    assert [grown(f"postbro_deltas_{name}_total") for name in names] == [2 * (name == counted) for name in names]


def test_breakers_show_their_state() -> None:
    clock = Clock()
    admission = Admission(["breaking"], clock=clock)

    def shown() -> str:
        [state] = [each for each in STATES if value("postbro_model_breaker_state", model="breaking", state=each)]
        return state

    assert shown() == "closed"
    fail(admission, "breaking")
    assert shown() == "open"
    clock.now += 30
    assert shown() == "half_open"
    call(admission, "breaking")
    call(admission, "breaking", RateLimited("x", 5.0))
    assert shown() == "limited"


class Queue:
    """Answers what it is given; an error among it is raised. `dry` is set when there is no more."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.dry = asyncio.Event()

    async def queue(self) -> Any:
        if not self.answers:
            self.dry.set()
            await asyncio.Event().wait()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize(
    ("answers", "wanted"),
    [
        ([{"pending": 3, "oldest_pending_seconds": 40}], (3, 40)),
        ([{"pending": 0, "oldest_pending_seconds": None}], (0, 0)),
        ([{"pending": 3, "oldest_pending_seconds": 40}, DatabaseAway("x")], "unknown"),
    ],
)
async def test_the_queue_is_known_or_said_to_be_unknown(
    monkeypatch: pytest.MonkeyPatch,
    answers: list[dict[str, int]] | list[dict[str, Any]] | list[dict[str, int] | DatabaseAway],
    wanted: tuple[int, int] | str,
) -> None:
    monkeypatch.setattr("worker.operations.queue.QUEUE_SECONDS", 0)
    queue: Any = Queue(*answers)
    measuring = asyncio.create_task(measure_queue(queue))
    await asyncio.wait_for(queue.dry.wait(), 5)
    measuring.cancel()

    pending, oldest = value("postbro_queue_pending_replies"), value("postbro_queue_oldest_pending_age_seconds")
    if wanted == "unknown":
        assert str((pending, oldest)) == "(nan, nan)", "an old figure is not shown as if it were true"
    else:
        assert (pending, oldest) == wanted


TOKEN = "b4Xq-7f3aZs0LkWm_9tRy2Vh5Nc8Pd1Gj6EuQo"


@pytest.fixture
def serving() -> Serves:
    def serve(token: str | None) -> FlaskClient:
        return create_ops_app(dict, dict, token).test_client()

    return serve


@pytest.mark.parametrize(
    ("accept", "kind"),
    [("text/plain", "text/plain"), ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text")],
)
def test_it_is_served_as_prometheus_asks(serving: Serves, accept: str, kind: str) -> None:
    answer = serving(None).get("/metrics", headers={"Accept": accept})

    assert answer.status_code == 200
    assert answer.content_type.startswith(kind)
    assert "# TYPE postbro_replies_in_flight gauge" in answer.text
    assert "process_resident_memory_bytes" in answer.text


@pytest.mark.parametrize(
    ("token", "headers", "status"),
    [
        (None, {"Host": "evil.example:8001"}, 403),
        (TOKEN, {}, 401),
        (TOKEN, {"Authorization": "Bearer wrong"}, 401),
        (TOKEN, {"Authorization": f"Bearer {TOKEN}"}, 200),
    ],
)
def test_it_is_guarded_like_the_operators_page(
    serving: Serves, token: str | None, headers: dict[str, Any], status: int
) -> None:
    answer = serving(token).get("/metrics", headers=headers)

    assert answer.status_code == status
    assert ("postbro_" in answer.text) is (status == 200)
