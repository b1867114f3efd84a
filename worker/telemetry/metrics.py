"""The worker's metrics, served at /metrics. Labels have few values and are never ids."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

from worker.rows import Call, CallEnd, ClaimEnd

disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)  # process_…: memory, CPU, open files

_FAST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
_WAIT = (*_FAST, 30, 60, 120, 300, 600)
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
    "Claims that came to their end: completed, cancelled, failed, postponed (a call has failed, back in the queue), "
    "given_back (no model may be asked), refused (by the database), claim_lost, dropped (a defect).",
    "outcome",
)
REPLIES_IN_FLIGHT = _gauge("postbro_replies_in_flight", "Replies that this worker is answering.")
REPLY_WAIT = _histogram(
    "postbro_reply_wait_seconds", "How long a reply waited, since it became its chat's next, until its claim.", _WAIT
)
REPLY_DURATION = _histogram("postbro_reply_duration_seconds", "From the claim to its end.", _SLOW)
LEASES_LOST = _counter("postbro_leases_lost_total", "Claims that were lost while the worker was answering.")
WORKERS = _gauge("postbro_workers", "Workers that live, by the last beat of this one.")
TASK_ERRORS = _counter("postbro_task_errors_total", "Unexpected errors in a task of the worker: defects.", "task")

OPS_REFUSED = _counter(
    "postbro_ops_refused_total",
    "Requests for figures that were refused: no_token, wrong_token, paused (after five wrong ones), forwarded (by a "
    "proxy, without OPS_TOKEN), other_name (than this machine's own).",
    "reason",
)

# The queue, of all workers: each worker reports the same
QUEUE_PENDING = _gauge("postbro_queue_pending_replies", "Replies that wait, those behind another one included.")
QUEUE_OLDEST = _gauge("postbro_queue_oldest_pending_age_seconds", "Age of the oldest of them; 0 if there is none.")

# The project's spending, also the same in each worker
SPEND = _gauge(
    "postbro_spend_usd", "US dollars spent in the present span of UTC: day, month; estimates included.", "span"
)
SPEND_CAP = _gauge("postbro_spend_cap_usd", "What may be spent in it; NaN: there is no cap.", "span")
PAUSED = _gauge("postbro_paused", "1 while the operator has paused the project, else 0.")
REFUSALS = _gauge(
    "postbro_refusals",
    "Questions, retries and regenerations that were refused since the installation: paused, spend_cap_day, "
    "spend_cap_month.",
    "reason",
)

# Claims
CLAIMS = _counter(
    "postbro_claims_total",
    "Claims by what led to them (start, wakeup, second_look, more, place, admission, due, sweep, degraded_sweep) and "
    "what they found (work, nothing, error: the API is away, refused: a defect). A sweep that found work: a wake-up "
    "was missed, or another worker has died.",
    "cause",
    "found",
)
REFUSED_ROWS = _counter(
    "postbro_refused_rows_total",
    "Rows for which the database raised an error in a claim: settled (as failed), set_aside (for five minutes), "
    "left (as they were).",
    "fate",
)
MENDED = _counter("postbro_queue_mended_total", "Contradictions of the queue that were mended. Must stay 0.")
CLAIM_DURATION = _histogram("postbro_claim_duration_seconds", "A claim's call to the database.", _FAST)
WAKEUP_TO_CLAIM = _histogram(
    "postbro_wakeup_to_claim_seconds", "From a wake-up that was heard to the claim that found its work.", _FAST
)
API_ANSWERS = _gauge("postbro_api_answers", "1 if the last claim reached the database, else 0.")

# Realtime
SUBSCRIBED = _gauge("postbro_wakeup_subscribed", "1 while subscribed to wake-ups, else 0.")
WAKEUPS = _counter("postbro_wakeups_total", "Wake-ups heard.")
WAKEUPS_ARRIVE = _gauge(
    "postbro_wakeups_arrive",
    "1 while wake-ups can be relied on: subscribed, Realtime reads the database, and none was missed lately; else 0.",
)
WAKEUPS_MISSED = _counter(
    "postbro_wakeups_missed_total", "Claims that found a new question of which no wake-up had told within a second."
)
ERASURES_WAITING = _gauge(
    "postbro_erasures_waiting", "Deleted chats and messages of which Realtime's table still holds what was sent."
)
DELTAS_SENT = _counter("postbro_deltas_sent_total", "Deltas that Realtime took.")
DELTAS_DROPPED = _counter("postbro_deltas_dropped_total", "Deltas given up; pages read the draft instead.")
DELTAS_HELD_BACK = _counter("postbro_deltas_held_back_total", "Deltas that Realtime put off: too many messages.")

# The models, by the name that was asked
MODEL_CALLS = _counter(
    "postbro_model_calls_total",
    "Calls: stop, max_tokens, repeating, cancelled, lost, or an error code.",
    "model",
    "outcome",
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
COST_ESTIMATED = _counter(
    "postbro_model_cost_estimated_usd_total", "Those of them that are estimated: not all figures were told.", "model"
)
CALLS_WITHOUT_PRICE = _counter(
    "postbro_model_calls_without_price_total",
    "Calls whose cost is in no sum, since no price is known for the model that answered.",
    "model",
)
BREAKER = _gauge(
    "postbro_model_breaker_state",
    "1 for the state in which the model is: closed (it is asked), open (it is left alone), half_open (one call tries "
    "it), limited (no call may begin within its limit).",
    "model",
    "state",
)

# Shown as 0 from the start: an alert on growth would miss the first time.
for _outcome in ClaimEnd:
    REPLIES.labels(_outcome)
for _cause in ("start", "wakeup", "second_look", "more", "place", "admission", "due", "sweep", "degraded_sweep"):
    for _found in ("work", "nothing", "error", "refused"):
        CLAIMS.labels(_cause, _found)

for _fate in ("settled", "set_aside", "left"):
    REFUSED_ROWS.labels(_fate)
for _task in ("beat", "drafts", "reconciler", "eraser", "spend_cap"):
    TASK_ERRORS.labels(_task)
for _reason in ("no_token", "wrong_token", "paused", "forwarded", "other_name"):
    OPS_REFUSED.labels(_reason)


def call_ended(call: Call, outcome: CallEnd) -> None:
    """Count a call to a model, if there was one. Never raises for a figure: metrics must not make a reply fail."""
    if (model := call.model_requested) is None:
        return
    MODEL_CALLS.labels(model, outcome).inc()
    if call.first_token_ms is not None:
        FIRST_TOKEN.labels(model).observe(call.first_token_ms / 1000)
    if call.latency_ms is not None:
        CALL_DURATION.labels(model).observe(call.latency_ms / 1000)
    cached = call.cached_tokens or 0
    tokens = {
        "prompt": (call.prompt_tokens or 0) - cached,
        "cached": cached,
        "candidates": call.candidate_tokens or 0,
        "thoughts": call.thought_tokens or 0,
    }
    for kind, count in tokens.items():
        TOKENS.labels(model, kind).inc(max(0, count))
    if call.cost_usd is None:
        CALLS_WITHOUT_PRICE.labels(model).inc()
        return
    cost = max(0.0, float(call.cost_usd))
    COST.labels(model).inc(cost)
    if call.cost_is_estimated:
        COST_ESTIMATED.labels(model).inc(cost)
