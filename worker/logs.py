"""Log lines: a sentence, an action, ids. JSON for machines, readable in a terminal."""

import logging
import sys

import structlog


def configure() -> None:
    """Everything goes to standard error; libraries are heard from WARNING on."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    # It logs whole frames it does not recognise, and those may hold text of a chat.
    logging.getLogger("realtime").setLevel(logging.CRITICAL)
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
