"""Faults of the offline model are asked for, met in order, and taken back."""

from pathlib import Path

import httpx
import pytest

from tests.support.offline_model import OfflineModel, serving
from worker.errors import (
    ModelGone,
    ModelOverloaded,
)


async def test_faults_are_met_in_order_and_as_often_as_was_asked(offline_model: OfflineModel) -> None:
    await offline_model.add(fault="refuse", status=503, times=2)
    await offline_model.add(fault="refuse", status=404)

    errors = [type((await offline_model.ask()).error) for _ in range(4)]

    assert errors == [ModelOverloaded, ModelOverloaded, ModelGone, type(None)]
    assert [(each["id"], each["used"], each["left"]) for each in await offline_model.left()] == [(1, 2, 0), (2, 1, 0)]


async def test_only_the_calls_that_were_meant_meet_a_fault(offline_model: OfflineModel) -> None:
    await offline_model.add(fault="refuse", status=503, question="marker-a", times=None)
    await offline_model.add(fault="refuse", status=404, model="gemini-gone", times=None)

    assert (await offline_model.ask("How many likes? marker-b")).error is None
    assert isinstance((await offline_model.ask("How many likes? marker-a")).error, ModelOverloaded)
    assert isinstance((await offline_model.ask(model="gemini-gone")).error, ModelGone)
    assert [(each["used"], each["left"]) for each in await offline_model.left()] == [(1, None), (1, None)]


async def test_faults_are_taken_back_one_by_one_or_all(offline_model: OfflineModel) -> None:
    first = (await offline_model.add(fault="refuse", status=503, times=None)).json()["id"]
    await offline_model.add(fault="refuse", status=404, times=None)

    assert await offline_model.delete(f"/{first}") == 204
    assert await offline_model.delete(f"/{first}") == 404
    assert isinstance((await offline_model.ask()).error, ModelGone)
    assert await offline_model.delete() == 204
    assert (await offline_model.left(), (await offline_model.ask()).error) == ([], None)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"fault": "sulk"}',
        b'{"fault": "refuse"}',
        b'{"fault": "refuse", "status": 200}',
        b'{"fault": "reset", "after": -1}',
        b'{"fault": "reset", "times": 0}',
        b'{"fault": "reset", "pieces": 3}',
    ],
)
async def test_a_fault_that_is_none_is_refused_with_the_reason(offline_model: OfflineModel, body: bytes) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{offline_model.url}/faults", content=body)

    assert answer.status_code == 400
    assert answer.json()["problems"]
    assert await offline_model.left() == []


async def test_unless_asked_for_there_are_no_faults(tmp_path: Path) -> None:
    async with serving(tmp_path / "log", faults=False) as url, httpx.AsyncClient() as client:
        fault = {"fault": "refuse", "status": 503}
        answers = [await client.post(f"{url}/faults", json=fault), await client.get(f"{url}/faults")]
        answers.append(await client.delete(f"{url}/faults"))

    assert [answer.status_code for answer in answers] == [404, 404, 404]
