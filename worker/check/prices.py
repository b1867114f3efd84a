"""Whether the price of a model is known, estimated or missing."""

from worker.check.findings import Finding
from worker.model.price_list import Price
from worker.model.pricing import Prices

REMEDY = "Name a file with its price in GEMINI_PRICES_FILE: worker/README.md has its form."


def judge(prices: Prices, model: str) -> Finding:
    """`model`: the version that answered, or the model that was asked if there was no answer."""
    quote = prices.of(model)
    if quote is None:
        words = f"No price is known for {model}: what it costs stays empty in the ledger, and is in no sum."
        return Finding("warning", "price", words, REMEDY)
    words = _told(quote.price)
    if quote.price.estimated:
        return Finding("warning", "price", f"The price of {model} is a guess: {words}", REMEDY)
    if quote.is_estimated:
        words = f"No price is known for {model}. Its cost is estimated by that of {quote.price.name}: {words}"
        return Finding("warning", "price", words, REMEDY)
    return Finding("ok", "price", f"{model}: {words}")


def _told(price: Price) -> str:
    return (
        f"{price.prompt} dollars for a million tokens of the prompt, {price.cached} for those in the cache, "
        f"{price.output} for those of the answer, as of {price.as_of}."
    )
