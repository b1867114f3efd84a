"""The fixed lists of codes agree: SQL, Python, pages, OpenAPI document, documents and dashboards.

Texts are looked for in all files of their kind, not in one by name.
"""

import re
from pathlib import Path

import pytest
import yaml

from worker.errors import ModelError
from worker.rows import CallOutcome, ClaimEnd, ErrorCode, FinishReason, ReplyStatus
from worker.telemetry import metrics, otlp
from worker.web.api import OPENAPI, conversation, http_answer
from worker.web.export import transcript

ROOT = Path(__file__).resolve().parents[2]
UNFINISHED = {ReplyStatus.PENDING, ReplyStatus.ANSWERING}
FINAL = set(ReplyStatus) - UNFINISHED
# An answer that ended in one of these has its own sentence: in the page and in an export.
WITH_SENTENCE = set(FinishReason) - {FinishReason.STOP}
OF_NO_CALL = {ErrorCode.OUT_OF_TRIES, ErrorCode.WAITED_TOO_LONG}
# Neither what the alert counts, nor what it leaves out of the whole.
HEALTHY = {ClaimEnd.COMPLETED, ClaimEnd.CANCELLED, ClaimEnd.CLAIM_LOST}


def texts(folder: str, *patterns: str) -> str:
    paths = {path for pattern in patterns for path in (ROOT / folder).rglob(pattern)}
    ours = sorted(path for path in paths if not {"node_modules", "dist"} & set(path.parts))
    assert ours, f"nothing like {patterns} in {folder}"
    return "\n".join(path.read_text() for path in ours)


SQL = texts("supabase", "*.sql")
PAGES = texts("worker/web/ui", "*.ts", "*.tsx")
OPERATIONS = texts("worker/operations/ui", "*.ts", "*.tsx")
GUIDES = [path for folder in ("supabase", "worker") for path in (ROOT / folder).rglob("*.md")]
DOCUMENTS = "\n".join([(ROOT / "README.md").read_text(), *(path.read_text() for path in GUIDES)])
DASHBOARDS = texts("worker/operations/dashboards", "*.yml", "*.json").replace('\\"', '"')
SCHEMAS = OPENAPI["components"]["schemas"]


def only(pattern: str, text: str) -> str:
    """What the one group of the pattern holds, which must be found once."""
    (found,) = re.findall(pattern, text, re.DOTALL)
    return str(found)


def quoted(text: str, mark: str = "'") -> set[str]:
    return set(re.findall(rf"{mark}(\w+){mark}", text))


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def in_sql(column: str) -> set[str]:
    """What SQL, snippets and the documents' examples compare or set this column to."""
    listed = re.findall(rf"\b{column}\s+(?:not\s+)?in\s*\(([^)]*)\)", SQL + DOCUMENTS)
    single = re.findall(rf"\b{column}\s*(?:=|<>)\s*('\w+')", SQL + DOCUMENTS)
    return quoted(" ".join([*listed, *single]))


def kinds_of(root: type[ModelError]) -> set[type[ModelError]]:
    return {root}.union(*(kinds_of(child) for child in root.__subclasses__()))


# ---------------------------------------------------------------- SQL


def test_statuses_in_sql() -> None:
    assert quoted(only(r"reply_status_is_known\s+check \(status in \(([^)]*)\)", SQL)) == set(ReplyStatus)
    described = only(r"comment on column public\.chat_replies\.status is\s+'([^;]*;[^']*)'", SQL)
    assert set(re.findall(r"(\w+):", described)) == set(ReplyStatus)


def test_error_codes_in_sql() -> None:
    body = only(r"create function private\.is_error_code\(.*?\$\$(.*?)\$\$", SQL)
    assert quoted(body) == set(ErrorCode)
    assert in_sql("error_code") <= set(ErrorCode)


def test_outcomes_in_sql() -> None:
    known = only(r"outcome_is_known\s+check \(outcome in \(([^)]*)\) or private\.is_error_code\(outcome\)\)", SQL)
    assert quoted(known) == set(CallOutcome)
    described = only(r"comment on column public\.external_api_call_logs\.outcome is\s+'([^']*)'", SQL)
    assert set(CallOutcome) <= words(described)
    assert in_sql("outcome") <= {*CallOutcome, *ErrorCode}


def test_finish_reasons_in_sql() -> None:
    described = only(r"comment on column public\.chat_messages\.finish_reason is\s+'Answers only: ([^']*)'", SQL)
    assert {re.split(r"\W", each)[0] for each in described.split("; ")} == set(FinishReason)
    assert set(FinishReason) <= words(only(r"'(For the worker\. Stores the answer(?:[^']|'')*)'", SQL))
    assert in_sql("finish_reason") <= set(FinishReason)


# ---------------------------------------------------------------- Python


def test_each_error_code_has_its_exception_but_those_of_the_database() -> None:
    assert {kind.error_code for kind in kinds_of(ModelError)} == set(ErrorCode) - OF_NO_CALL


def test_statuses_and_reasons_in_python() -> None:
    assert set(conversation.UNFINISHED) == UNFINISHED
    assert http_answer.STATUSES.keys() <= set(ErrorCode)
    assert transcript._ENDS.keys() == WITH_SENTENCE


def test_what_is_counted_and_traced() -> None:
    shown = {sample.labels["outcome"] for family in metrics.REPLIES.collect() for sample in family.samples}
    assert shown == set(ClaimEnd)
    assert set(ClaimEnd) <= words(metrics.REPLIES._documentation)
    assert {*FinishReason, CallOutcome.LOST} <= words(metrics.MODEL_CALLS._documentation)
    assert {*FinishReason, ClaimEnd.COMPLETED} == otlp.WELL


# ---------------------------------------------------------------- TypeScript


def test_error_codes_in_the_page() -> None:
    table = only(r"const FAILURES\b[^=]*= \{(.*?)\n\};", PAGES)
    assert set(re.findall(r"^\s+(\w+): \[", table, re.MULTILINE)) == set(ErrorCode)


def test_statuses_in_the_pages() -> None:
    states = quoted(only(r"type TurnState = ([^;]*);", PAGES), '"')
    assert states - {"waiting", "writing"} == FINAL
    counted = quoted(only(r"const REPLIES = (\[[^;]*);", OPERATIONS), '"')
    assert counted - {"asked", "asked_again", "regenerated"} == FINAL


def test_finish_reasons_in_the_page() -> None:
    assert set(re.findall(r'finish_reason === "(\w+)"', PAGES)) == WITH_SENTENCE


# ---------------------------------------------------------------- The HTTP API's document


def test_codes_in_the_openapi_document() -> None:
    of_question = SCHEMAS["UserMessage"]["properties"]
    assert of_question["error_code"]["enum"] == [*ErrorCode, None]
    assert SCHEMAS["Problem"]["properties"]["code"]["enum"][-len(ErrorCode) :] == list(ErrorCode)
    listed = re.findall(r"'enum': (\['pending'[^\]]*\])", str(OPENAPI))
    assert listed == [str([str(status) for status in ReplyStatus])] * 2


# ---------------------------------------------------------------- Documents


def test_codes_in_the_documents() -> None:
    table = only(r"\| `error_code` \| meaning [^\n]*\n\|[-|]+\n((?:\|[^\n]*\n)+)", DOCUMENTS)
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(ErrorCode)
    assert quoted(only(r"\n\| `finish_reason` \|[^|]*\| ([^|\n]*) \|\n", DOCUMENTS), "`") == set(FinishReason)


# ---------------------------------------------------------------- Dashboard and alerts


@pytest.mark.parametrize(
    ("metric", "known"),
    [
        ("postbro_replies_total", set(ClaimEnd)),
        ("postbro_model_calls_total", {*FinishReason, CallOutcome.LOST, *ErrorCode} - OF_NO_CALL),
    ],
)
def test_dashboards_select_what_there_is(metric: str, known: set[str]) -> None:
    selected = re.findall(rf'{metric}\{{[^}}]*outcome(?:=~|!~|!=|=)"([^"]*)"', DASHBOARDS)
    assert set("|".join(selected).split("|")) - {""} <= known


def test_the_alert_on_failures_judges_each_end_of_a_claim() -> None:
    rules = yaml.safe_load((ROOT / "worker/operations/dashboards/alerts.yml").read_text())["groups"][0]["rules"]
    (rule,) = (rule["expr"] for rule in rules if "postbro_replies_total" in rule["expr"])
    counted, left_out = (only(rf'outcome{sign}"([^"]*)"', rule).split("|") for sign in ("=~", "!~"))
    assert sorted([*counted, *left_out, *HEALTHY]) == sorted(ClaimEnd)
