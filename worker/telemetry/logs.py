"""Log lines: a sentence, an action, ids. JSON, or readable in a terminal. worker/README.md lists the actions."""

import asyncio
import logging
import sys
import threading
import traceback
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from worker.errors import PostBroError

log = structlog.get_logger()

_identity: dict[str, str] = {}


def identify(worker_id: str) -> None:
    """Add this worker id to all later lines, of all tasks and threads."""
    _identity["worker_id"] = worker_id


def configure() -> None:
    """Send all lines to standard error; of libraries only WARNING and above."""
    renderer: Processor = (
        structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    )
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _name_worker,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, renderer],
        # One write for each line, so that lines of threads and libraries do not mix.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _tell_of_library],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)
    # It logs frames that it does not recognise, which may contain text of a chat.
    logging.getLogger("realtime").setLevel(logging.CRITICAL)
    sys.excepthook = _tell_of_crash
    threading.excepthook = _tell_of_thread


def _name_worker(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    return {**_identity, **line}


def tell_of_unheard(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Exception handler of the event loop, for unhandled errors. asyncio's own would log their text."""
    _tell_unheard(context.get("message"), context.get("exception"))


def _tell_of_thread(ended: threading.ExceptHookArgs) -> None:
    _tell_unheard(ended.thread.name if ended.thread else None, ended.exc_value)


def _tell_unheard(what: str | None, error: BaseException | None) -> None:
    log.error("An error was not handled.", action="unheard", what=what, **describe(error))


def _tell_of_library(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    record: logging.LogRecord = line["_record"]
    line.pop("exc_info", None)
    error = record.exc_info[1] if record.exc_info else None
    return {**line, "action": "library", "logger": record.name, **describe(error)}


def _tell_of_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    # Messages of our own and system errors contain settings and addresses. Others may contain text of a chat.
    reason = str(error) if isinstance(error, PostBroError | OSError) else None
    log.critical("The program ended by an error.", action="crashed", reason=reason, **describe(error))


def describe(error: BaseException | None) -> dict[str, str]:
    """The class of an error and its stack frames, without its message."""
    if error is None:
        return {}
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return {"error": type(error).__name__, "where": " < ".join(reversed(where))}
