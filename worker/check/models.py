"""One short call to each of GEMINI_MODELS: whether it exists, which version answers, and what it costs."""

import asyncio

from worker.check import prices
from worker.check.findings import Finding
from worker.config import WorkerSettings
from worker.errors import (
    AccessRefused,
    EmptyReply,
    ModelError,
    ModelGone,
    ModelOverloaded,
    QuotaSpent,
    RateLimited,
    TimedOut,
)
from worker.model.gemini import Gemini
from worker.model.pricing import Prices
from worker.prompt.context import Prompt
from worker.rows import Message

SECONDS = 30.0
TOKENS = 16
PROMPT = Prompt("This is a connection test.", [Message("user", "Answer with the word: ready.")])


async def ask(settings: WorkerSettings) -> list[Finding]:
    gemini = Gemini(settings.model_copy(update={"max_output_tokens": TOKENS}))
    try:
        answers = await asyncio.gather(*(_ask(gemini, settings.prices, model) for model in settings.models))
        return list(dict.fromkeys(finding for found in answers for finding in found))
    finally:
        await gemini.close()


async def _ask(gemini: Gemini, known: Prices, model: str) -> list[Finding]:
    try:
        async with asyncio.timeout(SECONDS), gemini.stream(model, PROMPT) as stream:
            try:
                async for _ in stream:
                    pass
            except EmptyReply:
                pass  # it answered: a limit of so few tokens may be used up by thinking
    except ModelError as error:
        return [_failed(model, error), prices.judge(known, model)]
    except TimeoutError:
        return [_failed(model, TimedOut("TimeoutError")), prices.judge(known, model)]
    version = stream.model_version
    words = f"{model} answers, as {version or 'a version that it does not tell'}."
    return [Finding("ok", "model", words), prices.judge(known, version or model)]


def _failed(model: str, error: ModelError) -> Finding:
    match error:
        case ModelGone():
            words, remedy = f"There is no model {model}.", "Correct GEMINI_MODELS."
        case AccessRefused():
            words = f"The provider refuses GEMINI_API_KEY for {model} ({error})."
            remedy = "Make a key in Google AI Studio, and make sure that it is allowed for this model."
        case QuotaSpent():
            words = f"{model} is there, and this key's quota of it is spent for the day, or there is none ({error})."
            return Finding("warning", "model", words, "Look at the limits of your plan.")
        case RateLimited():
            words = f"{model} is there, and this key's limit is reached ({error})."
            return Finding("warning", "model", words, "Look at the limits of your plan.")
        case ModelOverloaded() | TimedOut():
            words, remedy = f"{model} cannot be reached, or is overloaded ({error}).", "Try again in a while."
        case _:
            words, remedy = f"{model} gave no answer ({error}).", "Look at the provider's status page."
    return Finding("problem", "model", words, remedy)
