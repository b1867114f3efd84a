"""The operator's page, in a browser, of a real worker: its figures are those of the database."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import pytest
from playwright.async_api import Locator, Page, expect

from tests.support.browser.accessibility import violations
from tests.support.browser.fixtures import OpenContext
from tests.support.browser.guard import Guard
from tests.support.people import People
from tests.support.waiting import wait_for
from worker.config import WorkerSettings
from worker.local.stack import Stack
from worker.network.serving import serve_in_thread
from worker.operations.app import create_ops_app
from worker.operations.report import OpsReport

ServeOps = Callable[[str | None], str]

TOKEN = "b4Xq-7f3aZs0LkWm_9tRy2Vh5Nc8Pd1Gj6EuQo"
QUESTION = "How many kingfishers liked it?"
MODELS = ("gemini-with-a-price", "gemini-without-a-price")  # which no other test asks
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True}


@pytest.fixture
def ops_url(worker: Stack) -> str:
    return f"http://127.0.0.1:{worker.ports.ops}/ops"


@pytest.fixture
def history(database: Any) -> Iterator[None]:
    """Two weeks of calls to two models, some of them failed, as the ledger would have them."""
    marker = uuid4()  # the worker of all these calls
    database.execute(
        """insert into public.external_api_call_logs (message_id, attempt, session_id, user_id, worker_id,
          model_requested, model_version, prompt_tokens, candidate_tokens, cost_usd, first_token_ms, latency_ms,
          outcome, started_at, finished_at)
        select gen_random_uuid(), 1 + (n %% 7 = 0)::integer, gen_random_uuid(), gen_random_uuid(), %(marker)s,
          model, model, 1500, 300 + n, case number when 1 then 0.0012 + n * 0.00001 end,
          300 + n * 3 + number * 200, 2000 + n * 40 + number * 900,
          case when n %% 11 = 0 then 'model_overloaded' when n %% 31 = 0 then 'lost' else 'ok' end,
          at, at + interval '3 seconds'
        from unnest(%(models)s::text[]) with ordinality as m (model, number),
          generate_series(0, 119) as n,
          lateral (select now() - n * interval '160 minutes' - interval '5 seconds' as at) as a""",
        {"marker": marker, "models": list(MODELS)},
    )
    yield
    database.execute("delete from public.external_api_call_logs where worker_id = %s", [marker])


@pytest.fixture
def serve_ops(worker: Stack) -> Iterator[ServeOps]:
    """Call it with a token: the URL of the page, served as a worker does, by a process that answers nothing."""
    settings = WorkerSettings(
        _env_file=None,
        supabase_url=worker.environment["SUPABASE_URL"],
        supabase_secret_key=worker.environment["SUPABASE_SECRET_KEY"],
        gemini_api_key=worker.environment["GEMINI_API_KEY"],
    )
    ops_report = OpsReport(settings)
    with ExitStack() as servers:
        servers.callback(ops_report.close)

        def served(token: str | None) -> str:
            server = serve_in_thread(create_ops_app(ops_report.read, dict, token), "127.0.0.1", 0)
            servers.callback(server.close)
            return f"http://127.0.0.1:{server.port}/ops"

        yield served


def cell(page: Page, caption: str, row: str, column: int) -> Locator:
    """A cell of a table, by the words of its caption and of its row."""
    table = page.get_by_role("table", name=caption)
    named = table.get_by_role("row").filter(has=page.get_by_role("rowheader", name=row, exact=True))
    return named.get_by_role("cell").nth(column)


async def test_the_figures_are_those_of_the_database(
    page: Page, ops_url: str, history: None, database: Any, people: People
) -> None:
    asked = people.ask(people.make_chat(), QUESTION)
    wait_for(
        lambda: database.execute(
            "select 1 from public.chat_replies where message_id = %s and status = 'completed'", [asked]
        ).fetchone(),
        "the answer",
        seconds=30,
    )
    wanted = database.execute("select public.ops_report() as report").fetchone()["report"]
    day = wanted["periods"][0]
    known = {model["model"]: model for model in day["models"]}

    await page.goto(ops_url)

    await expect(page.get_by_role("heading", level=1)).to_have_text("PostBro Chat: operations")
    await expect(cell(page, "Replies", "completed", 0)).to_have_text(str(day["replies"]["completed"]))
    await expect(cell(page, "Calls to the models", "model_overloaded", 0)).to_have_text(
        str(day["calls"]["model_overloaded"])
    )
    await expect(cell(page, "Calls and retries", "of these, retries", 0)).to_have_text(str(day["retries"]))
    for name in MODELS:
        await expect(cell(page, "Models, last 24 hours", name, 0)).to_have_text(str(known[name]["calls"]))
        await expect(cell(page, "Models, last 24 hours", name, 1)).to_have_text(f"{known[name]['tokens']:,}")
    cost = known[MODELS[0]]["cost_usd"]
    await expect(cell(page, "Models, last 24 hours", MODELS[0], 2)).to_have_text(f"${cost:.2g}")
    await expect(cell(page, "Models, last 24 hours", MODELS[1], 2)).to_have_text("not known")
    unpriced = known[MODELS[1]]["calls_without_price"]
    await expect(page.get_by_role("status")).to_contain_text(
        f"The cost of {unpriced} calls of {MODELS[1]} is not known"
    )
    assert QUESTION not in await page.content()
    charts = page.get_by_role("img")
    await expect(charts).to_have_count(5)
    assert await page.evaluate(_DRAWN) == [True] * 5


_DRAWN = """() => [...document.querySelectorAll("canvas")].map((canvas) =>
  canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((part) => part > 0))"""


async def test_it_reads_anew_by_itself_and_says_when_it_cannot(
    page: Page, ops_url: str, worker: Stack, guard: Guard, people: People, database: Any
) -> None:
    await page.goto(ops_url)
    state = page.get_by_role("status")
    await expect(state).to_be_visible()

    guard.allow("503|ERR_CONNECTION_REFUSED")
    worker.api.stop()
    try:
        await expect(state).to_contain_text(
            "The figures cannot be read. The database did not answer.", timeout=30_000
        )
        await expect(state).to_contain_text(re.compile("What stands here is of .* UTC"))
    finally:
        worker.api.start()
    await expect(state).not_to_contain_text("cannot be read", timeout=30_000)


async def test_what_is_stuck_is_told_in_words(
    page: Page, serve_ops: ServeOps, worker: Stack, people: People, database: Any
) -> None:
    worker.worker.stop()
    try:
        people.ask(people.make_chat())
        database.execute("update private.reply_queue set due_at = now() - interval '5 minutes'")
        await page.goto(serve_ops(None))
        await expect(page.get_by_role("status")).to_contain_text(
            re.compile(r"Problem: 1 reply is due and no worker claims it; the oldest for 5 min\.")
        )
    finally:
        worker.worker.start()


async def test_the_token_is_asked_for_once(page: Page, serve_ops: ServeOps, guard: Guard) -> None:
    guard.allow("401")
    await page.goto(serve_ops(TOKEN))
    token = page.get_by_label("Token")
    refused = page.get_by_text("That is not the token.")
    await expect(refused).to_be_hidden()
    assert await violations(page) == []

    await token.fill("another-token-entirely")
    await page.get_by_role("button", name="Open").click()
    await expect(refused).to_be_visible()

    await token.fill(TOKEN)
    await page.get_by_role("button", name="Open").click()
    await expect(page.get_by_role("heading", name="Now")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("heading", name="Now")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [{}, PHONE], ids=["desk", "phone"])
async def test_it_can_be_read_by_everybody(
    open_context: OpenContext, ops_url: str, history: None, scheme: str, device: dict[str, Any]
) -> None:
    context = await open_context(color_scheme=scheme, **device)
    page = await context.new_page()
    await page.goto(ops_url)
    await expect(page.get_by_role("table", name="Models, last 24 hours")).to_be_visible()
    await page.get_by_text("As a table").click()

    assert await violations(page) == []
    # Wide tables scroll by themselves: the page does not.
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
