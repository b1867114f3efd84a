"""What the worker counts, by name: served at /metrics. Labels have few values; an id is never one of them."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

from worker.models import Call

disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)  # process_…: memory, CPU, open files

_FAST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
_SLOW = (0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 240)


def _counter(name: str, words: str, *labels: str) -> Counter:
    return Counter(name, words, labels, registry=REGISTRY)


def _gauge(name: str, words: str, *labels: str) -> Gauge:
    return Gauge(name, words, labels, registry=REGISTRY)


def _histogram(name: str, words: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(name, words, labels, buckets=buckets, registry=REGISTRY)


# Replies
REPLIES = _counter(
    "postbro_replies_total",
    "Claims that came to their end: completed, cancelled, failed, postponed (back in the queue), refused (by the "
    "database), claim_lost, dropped (a defect).",
    "outcome",
)
REPLIES_IN_FLIGHT = _gauge("postbro_replies_in_flight", "Replies that this worker is answering.")
REPLY_WAIT = _histogram(
    "postbro_reply_wait_seconds", "From the question, or from when it was due again, to its claim.", _FAST
)
REPLY_DURATION = _histogram("postbro_reply_duration_seconds", "From the claim to its end.", _SLOW)
LEASES_LOST = _counter("postbro_leases_lost_total", "Leases that ended while the worker was answering.")

# The queue, of all workers: each of them says the same
QUEUE_PENDING = _gauge("postbro_queue_pending_replies", "Replies that wait, those behind another one included.")
QUEUE_OLDEST = _gauge("postbro_queue_oldest_pending_age_seconds", "Age of the oldest of them; 0 if there is none.")

# Claims
CLAIMS = _counter(
    "postbro_claims_total",
    "Claims by what led to them (start, wakeup, second_look, place, due, sweep, degraded_sweep) and what they found "
    "(work, nothing, error). A sweep that found work: a wake-up was missed, or another worker has died.",
    "cause",
    "found",
)
CLAIM_DURATION = _histogram("postbro_claim_duration_seconds", "A claim's call to the database.", _FAST)
WAKEUP_TO_CLAIM = _histogram(
    "postbro_wakeup_to_claim_seconds", "From a wake-up that was heard to the claim that found its work.", _FAST
)
API_ANSWERS = _gauge("postbro_api_answers", "1 if the last claim reached the database, else 0.")

# Realtime
SUBSCRIBED = _gauge("postbro_wakeup_subscribed", "1 while subscribed to wake-ups, else 0.")
WAKEUPS = _counter("postbro_wakeups_total", "Wake-ups heard.")
DELTAS_SENT = _counter("postbro_deltas_sent_total", "Deltas that Realtime took.")
DELTAS_DROPPED = _counter("postbro_deltas_dropped_total", "Deltas given up; pages read the draft instead.")
DELTAS_HELD_BACK = _counter("postbro_deltas_held_back_total", "Deltas that Realtime put off: too many messages.")

# The models, by the name that was asked
MODEL_CALLS = _counter(
    "postbro_model_calls_total", "Calls: stop, max_tokens, cancelled, lost, or an error code.", "model", "outcome"
)
FIRST_TOKEN = _histogram("postbro_model_first_token_seconds", "From a call to its first text.", _FAST, "model")
CALL_DURATION = _histogram("postbro_model_call_duration_seconds", "Calls, from begin to end.", _SLOW, "model")
TOKENS = _counter(
    "postbro_model_tokens_total",
    "Tokens of each kind: prompt (without what was cached), cached, candidates, thoughts.",
    "model",
    "kind",
)
COST = _counter("postbro_model_cost_usd_total", "US dollars, where the price is known.", "model")
BREAKER = _gauge(
    "postbro_model_breaker_state",
    "1 for the state in which the breaker is: closed, open, half_open.",
    "model",
    "state",
)

# Shown as 0 from the start: an alert on growth would miss the first time.
for _outcome in ("completed", "cancelled", "failed", "postponed", "refused", "claim_lost", "dropped"):
    REPLIES.labels(_outcome)
for _cause in ("start", "wakeup", "second_look", "place", "due", "sweep", "degraded_sweep"):
    for _found in ("work", "nothing", "error"):
        CLAIMS.labels(_cause, _found)


def call_ended(call: Call, outcome: str) -> None:
    """One call to a model, as the ledger has it. Without a model that was asked there was none."""
    if (model := call.model_requested) is None:
        return
    MODEL_CALLS.labels(model, outcome).inc()
    if call.first_token_ms is not None:
        FIRST_TOKEN.labels(model).observe(call.first_token_ms / 1000)
    if call.latency_ms is not None:
        CALL_DURATION.labels(model).observe(call.latency_ms / 1000)
    cached = call.cached_tokens or 0
    TOKENS.labels(model, "prompt").inc(max(0, (call.prompt_tokens or 0) - cached))
    TOKENS.labels(model, "cached").inc(cached)
    TOKENS.labels(model, "candidates").inc(call.candidate_tokens or 0)
    TOKENS.labels(model, "thoughts").inc(call.thought_tokens or 0)
    if call.cost_usd is not None:
        COST.labels(model).inc(float(call.cost_usd))
