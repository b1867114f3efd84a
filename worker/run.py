"""`python -m worker run`: builds the parts, watches the side tasks, and stops at a signal."""

import asyncio
import signal
from collections.abc import Callable

import structlog

from worker.answer import Answerer
from worker.config import WorkerSettings
from worker.database.replies import Replies
from worker.model.admission import Admission
from worker.model.gemini import Gemini
from worker.operations.app import create_ops_app
from worker.operations.health import create_health_app, serve_in_thread
from worker.operations.heartbeat import Heartbeat
from worker.operations.problems import problems
from worker.operations.queue import measure_queue
from worker.operations.report import OpsReport
from worker.prompt.budget import Budget
from worker.realtime.broadcast import Broadcaster
from worker.realtime.wakeup import WakeUp
from worker.runner import Runner
from worker.telemetry import logs, metrics
from worker.telemetry.reply import ReplyTelemetry
from worker.telemetry.traces import Traces
from worker.upkeep.erasing import Eraser
from worker.upkeep.spend_cap import SpendCap
from worker.upkeep.tasks import repeat

log = structlog.get_logger()

GOODBYE_SECONDS = 15.0
"""The process ends within this time after the grace period. The longest times of its steps, one after the other:
closing calls 1, the release 5, the subscription 1, the two ports 1.2 each, the last traces 3."""


async def run(settings: WorkerSettings, when_stopping: Callable[[float], None]) -> None:
    """Run until SIGTERM or SIGINT. Raises if a side task ends: without wake-ups, deltas or beats the worker must be
    restarted.

    `when_stopping` is called at the signal, with the seconds after which the process should have ended.
    """
    replies = await Replies.connect(settings)
    logs.identify(replies.worker_id)
    asyncio.get_running_loop().set_exception_handler(logs.tell_of_unheard)
    gemini = Gemini(settings)
    broadcaster = Broadcaster(settings)
    wakeup = WakeUp(settings)
    traces = _traces_to(settings.otel_exporter_otlp_endpoint, replies.worker_id)
    prices = settings.prices
    admission, budget = Admission(settings.models, settings.rate_limit), Budget(settings.prompt_token_budget)
    telemetry, deadline = ReplyTelemetry(traces), settings.reply_deadline_seconds
    answerer = Answerer(replies, gemini, broadcaster, admission, budget, telemetry, prices, deadline)
    runner = Runner(settings, replies, wakeup, answerer, admission)

    def problems_now() -> dict[str, str]:
        return problems(settings, runner, wakeup, admission, broadcaster)

    heartbeat, spend_cap = Heartbeat(), SpendCap(replies)
    ops_report = OpsReport(settings)
    app = create_health_app(problems_now, heartbeat.beats, spend_cap.notices)
    health = serve_in_thread(app, settings.health_host, settings.health_port)
    token = settings.ops_token.get_secret_value() if settings.ops_token else None
    ops = serve_in_thread(create_ops_app(ops_report.read, problems_now, token), settings.ops_host, settings.ops_port)

    def stop() -> None:
        when_stopping(settings.shutdown_grace_seconds + GOODBYE_SECONDS)
        runner.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    for model in settings.models:
        metrics.CALLS_WITHOUT_PRICE.labels(
            model
        )  # shown as 0 from the start, since an alert on growth would miss the first
    log.info("The worker runs.", action="started", models=settings.models)
    running = asyncio.create_task(runner.run(), name="runner")
    side_tasks = {
        asyncio.create_task(wakeup.run(), name="wakeup"),
        asyncio.create_task(broadcaster.run(), name="broadcaster"),
        asyncio.create_task(heartbeat.run(), name="heartbeat"),
        asyncio.create_task(measure_queue(replies), name="queue"),
        asyncio.create_task(repeat("spend_cap", spend_cap.step, SpendCap.SECONDS), name="spend_cap"),
        asyncio.create_task(repeat("eraser", Eraser(replies).step, Eraser.SECONDS), name="eraser"),
    }
    try:
        done, _ = await asyncio.wait({running, *side_tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (running, *side_tasks):
            task.cancel()
        await asyncio.gather(running, *side_tasks, return_exceptions=True)
        ops.close()
        health.close()
        ops_report.close()
        await broadcaster.close()
        await gemini.close()
        await replies.close()
        await asyncio.to_thread(traces.close)


def _traces_to(endpoint: str | None, worker_id: str) -> Traces:
    """Traces that are sent to this address; without one, traces that are not sent."""
    if endpoint is None:
        return Traces()
    from worker.telemetry.otlp import SentTraces, exporting_to  # only here: it takes time and memory to import

    return SentTraces(exporting_to(endpoint), worker_id)
