"""What an operator sees of a whole worker: figures, log lines, traces, and words when something is wrong."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.faulty_model import FaultyModel
from tests.support.people import Chat, People
from tests.support.waiting import wait_for
from worker.local.processes import Service
from worker.local.stack import Stack

Database = psycopg.Connection[dict[str, Any]]


def status(database: Database, question: UUID) -> str:
    row = database.execute("select status from public.chat_replies where message_id = %s", [question]).fetchone()
    assert row is not None
    return str(row["status"])


def is_completed(database: Database, question: UUID) -> bool:
    return status(database, question) == "completed"


def figures(house: Stack) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = httpx.get(f"http://127.0.0.1:{house.ports.ops}/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def figure(house: Stack, name: str, **labels: str) -> float:
    return figures(house).get((name, frozenset(labels.items())), 0.0)


MODEL = "gemini-3.5-flash-lite"


def test_an_answer_moves_the_figures_of_the_worker(worker: Stack, people: People, database: Database) -> None:
    # What an earlier test has left under way would be counted here.
    database.execute("delete from auth.users")
    wait_for(lambda: figure(worker, "postbro_replies_in_flight") == 0, "the worker to have nothing under way", 30)
    before = figures(worker)
    question = people.ask(people.make_chat(), "How many likes did it get?")
    wait_for(lambda: status(database, question) == "completed", "the answer")

    def grown(name: str, **labels: str) -> float:
        key = name, frozenset(labels.items())
        return figures(worker)[key] - before.get(key, 0.0)

    # The database knows of the end before the worker has counted it.
    wait_for(lambda: grown("postbro_replies_total", outcome="completed") == 1, "the count")
    assert grown("postbro_model_calls_total", model=MODEL, outcome="stop") == 1
    assert grown("postbro_model_tokens_total", model=MODEL, kind="prompt") > 0
    assert grown("postbro_wakeups_total") >= 1
    assert grown("postbro_wakeup_to_claim_seconds_count") == 1
    assert grown("postbro_deltas_sent_total") >= 1
    assert grown("postbro_reply_wait_seconds_count") == 1
    for name in ("postbro_wakeup_subscribed", "postbro_api_answers"):
        assert figure(worker, name) == 1
    assert figure(worker, "postbro_model_breaker_state", model=MODEL, state="closed") == 1
    assert figure(worker, "process_resident_memory_bytes") > 0


def test_it_is_subscribed_and_what_the_database_sends_reaches_nobody(
    worker_with: Callable[..., Service], house: Stack, people: People, database: Database
) -> None:
    """Sockets stand, heartbeats are answered, REST takes everything: only questions that sweeps find tell of it."""
    worker_with(SWEEP_SECONDS=3)
    ready = f"http://127.0.0.1:{house.ports.worker}/readyz"
    faults = f"http://127.0.0.1:{house.ports.realtime}/faults"
    chats = [people.make_chat() for _ in range(12)]
    httpx.post(faults, json={"fault": "lose_broadcasts"}).raise_for_status()
    try:
        for chat in chats:  # one that is found within a second tells nothing
            question = people.ask(chat)
            wait_for(partial(is_completed, database, question), "the answer", 60)
            if "none arrives" in (told := httpx.get(ready)).text:
                break
        assert "none arrives" in told.json()["problems"]["realtime"], told.text
        assert told.status_code == 503
        assert figure(house, "postbro_wakeups_missed_total") >= 2
        assert figure(house, "postbro_wakeups_arrive") == 0
    finally:
        httpx.delete(faults).raise_for_status()

    # Subscribed again or not: what proves it is a wake-up that arrives.
    for chat in chats:
        wait_for(lambda: figure(house, "postbro_wakeup_subscribed") == 1, "the subscription", 30)
        question = people.ask(chat)
        wait_for(partial(is_completed, database, question), "the answer", 60)
        if httpx.get(ready).status_code == 200:
            break
    assert figure(house, "postbro_wakeups_arrive") == 1


def test_without_realtime_it_says_in_words_what_is_wrong_and_stays_alive(worker: Stack) -> None:
    base = f"http://127.0.0.1:{worker.ports.worker}"
    worker.realtime.kill()
    answer = wait_for(
        lambda: got if (got := httpx.get(f"{base}/readyz")).status_code == 503 else None, "the worker to notice"
    )
    assert answer.json()["status"] == "degraded"
    assert re.search(
        r"Not subscribed to wake-ups for \d+ s: .*See that Realtime is up", answer.json()["problems"]["realtime"]
    )
    assert httpx.get(f"{base}/healthz").json() == {"status": "ok"}
    assert figure(worker, "postbro_wakeup_subscribed") == 0
    worker.realtime.start()


@pytest.fixture
def told_chat(people: People, database: Database) -> tuple[Chat, str]:
    """A chat, and a marker that stands in all of its texts."""
    chat, marker = people.make_chat(), f"marker{uuid4().hex}"
    database.execute("update public.posts set caption = %s where id = %s", [f"Caption {marker}", chat.post])
    insights = json.dumps([f"The {marker} hook held viewers"])
    database.execute("update public.post_analyses set key_insights = %s where id = %s", [insights, chat.analysis])
    return chat, marker


def test_the_log_is_json_with_ids_and_without_a_word_of_a_chat_or_a_key(
    worker: Stack, told_chat: tuple[Chat, str], people: People, database: Database, faulty_model: FaultyModel
) -> None:
    log: Path = worker.directory / "logs" / "worker.log"
    begun_at = log.stat().st_size
    chat, marker = told_chat
    faulty_model.add("refuse", question=marker, status=503, message=f"No {marker} today")
    faulty_model.add("reset", question=marker, after=1)
    question = people.ask(chat, f"What of the {marker} hook?")
    wait_for(lambda: status(database, question) == "completed", "the answer", seconds=30)
    stored = database.execute("select content from public.chat_messages where reply_to = %s", [question]).fetchone()
    assert stored is not None
    assert marker in stored["content"], "the answer repeats it"

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in log.read_bytes()[begun_at:].decode().splitlines()]

    mine = wait_for(
        lambda: found if (found := [line for line in lines() if line.get("action") == "reply_completed"]) else None,
        "the line",
    )
    assert mine[0]["message_id"] == str(question)
    assert mine[0]["session_id"] == str(chat.session)
    assert mine[0]["attempt"] == 3
    assert mine[0]["latency_ms"] >= mine[0]["first_token_ms"] >= 0
    assert UUID(mine[0]["worker_id"])
    assert [line["attempt"] for line in lines() if line["action"] == "attempt_failed"] == [1, 2]
    whole = log.read_text()
    assert marker not in whole
    environment = worker.environment
    secrets = [
        environment[name] for name in ("SUPABASE_SECRET_KEY", "SUPABASE_PUBLISHABLE_KEY", "SUPABASE_JWT_SECRET")
    ]
    assert all(secrets)
    assert not any(secret in whole for secret in secrets)
    assert chat.user.token not in whole


class Collector:
    """Takes traces by OTLP over HTTP, as OpenTelemetry's own collector does."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/v1/traces":
                    collector.bodies.append(body)
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def spans(self) -> list[Any]:
        requests = [ExportTraceServiceRequest.FromString(body) for body in list(self.bodies)]
        return [
            span
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def collector() -> Iterator[Collector]:
    collecting = Collector()
    yield collecting
    collecting.close()


def attributes_of(span: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


def test_a_reply_is_one_trace_from_its_insert_on_and_no_span_holds_a_word_of_it(
    house: Stack,
    worker_with: Callable[..., Service],
    collector: Collector,
    told_chat: tuple[Chat, str],
    people: People,
    database: Database,
) -> None:
    house.worker.stop()
    chat, marker = told_chat
    # Nobody is there to claim it for a while: the trace begins with the row all the same.
    question = people.ask(chat, f"What of the {marker} hook?")
    worker = worker_with(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    wait_for(lambda: status(database, question) == "completed", "the answer")
    worker.stop()  # which sends what waits

    spans = collector.spans()
    [root] = [span for span in spans if attributes_of(span).get("postbro.message.id") == str(question)]
    mine = {span.name: span for span in spans if span.trace_id == root.trace_id}
    assert sorted(mine) == sorted(["reply", "wait for a claim", f"generate_content {MODEL}", "complete_reply"])
    assert {span.parent_span_id for span in mine.values()} == {b"", root.span_id}
    call = attributes_of(mine[f"generate_content {MODEL}"])
    assert (call["gen_ai.request.model"], call["gen_ai.response.model"]) == (MODEL, "offline-extractive")
    assert call["gen_ai.usage.input_tokens"] > 0

    row = database.execute(
        "select r.created_at, l.prompt_tokens from public.chat_replies r "
        "join public.external_api_call_logs l using (message_id) where message_id = %s",
        [question],
    ).fetchone()
    assert row is not None
    assert call["gen_ai.usage.input_tokens"] == row["prompt_tokens"]
    asked, claimed = row["created_at"].timestamp(), mine["wait for a claim"].end_time_unix_nano / 1e9
    assert abs(root.start_time_unix_nano / 1e9 - asked) < (claimed - asked) / 2, "one machine, one clock"
    assert root.end_time_unix_nano >= mine["complete_reply"].end_time_unix_nano > claimed

    sent = b"".join(collector.bodies)
    assert marker.encode() not in sent
    assert b"offline-extractive" in sent
