"""What an answer of the API that is no result means: it is away, or it refuses."""

import datetime
import email.utils
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.api_answers import ANSWERS, AWAY, HTML
from tests.support.scripted_model import Exchange, ScriptedModel
from worker.config import WorkerSettings
from worker.database.api_errors import LONGEST_WISH_SECONDS, translate
from worker.database.replies import Replies
from worker.errors import DatabaseAway, DatabaseError, DatabaseRefused


def in_seconds(seconds: float) -> str:
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return email.utils.format_datetime(moment, usegmt=True)


class Api:
    """Answers with what it is told to: a status, a text and headers."""

    def __init__(self) -> None:
        self.status, self.text, self.headers = 200, "null", dict[str, str]()

    async def __call__(self, exchange: Exchange) -> None:
        content = self.text.encode()
        lines = {"Content-Length": str(len(content)), **self.headers}
        head = f"HTTP/1.1 {self.status} Scripted\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())
        exchange._writer.write(head.encode() + b"\r\n" + content)
        await exchange._writer.drain()
        exchange._over = True


async def error_of(status: int, text: str, headers: dict[str, str] | None = None) -> DatabaseError:
    """What the worker makes of this answer, by the library that it uses."""
    api = Api()
    api.status, api.text, api.headers = status, text, headers or {}
    async with ScriptedModel(api) as server:
        replies = await Replies.connect(
            WorkerSettings(
                _env_file=None, supabase_url=server.url, supabase_secret_key="key", gemini_api_key="unused"
            )
        )
        with pytest.raises(DatabaseError) as raised:
            await replies.release()
        await replies.close()
    return raised.value


@pytest.mark.parametrize(("status", "text", "wanted"), ANSWERS)
async def test_what_an_answer_means(status: int, text: str, wanted: str) -> None:
    error = await error_of(status, text)

    if wanted == AWAY:
        assert isinstance(error, DatabaseAway)
    else:
        assert isinstance(error, DatabaseRefused)
        assert error.code == wanted
        assert error.is_of_the_content is (wanted[:2] in ("22", "23") or wanted == "413")
    assert str(error).startswith("release_replies: ")
    assert "sentinel" not in str(error)


async def test_a_refusal_without_a_code_says_where_to_look() -> None:
    error = await error_of(401, json.dumps({"message": "Unregistered API key"}))
    assert str(error) == "release_replies: refused without a code (is the key of this project?)"


@pytest.mark.parametrize(
    ("wish", "least", "most"),
    [
        ("7", 7, 7),
        (" 7 ", 7, 7),
        ("0", 0, 0),
        ("86400", LONGEST_WISH_SECONDS, LONGEST_WISH_SECONDS),
        (20.0, 10, 20),
        (86400.0, LONGEST_WISH_SECONDS, LONGEST_WISH_SECONDS),
        ("Fri, 27 Nov 1970 09:00:00 GMT", 0, 0),
    ],
)
async def test_the_wish_of_whoever_is_busy_is_heard(wish: str | float, least: float, most: float) -> None:
    """A number is a date in so many seconds."""
    words = wish if isinstance(wish, str) else in_seconds(wish)
    error = await error_of(429, HTML, {"Retry-After": words})

    assert isinstance(error, DatabaseAway)
    assert error.retry_after is not None
    assert least <= error.retry_after <= most


async def test_a_date_without_a_zone_is_one_of_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """As all dates of HTTP are, wherever the worker runs."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        error = await error_of(429, HTML, {"Retry-After": in_seconds(20).replace("GMT", "-0000")})
    finally:
        monkeypatch.undo()
        time.tzset()

    assert isinstance(error, DatabaseAway)
    assert 10 <= (error.retry_after or 0) <= 20


@pytest.mark.parametrize(
    "wish", ["", "soon", "-1", "1.5", "Fri, 99 Nov 2026 09:00:00 GMT", f"1 Nov {'9' * 30} 09:00:00 GMT"]
)
async def test_a_wish_that_is_none_is_no_error(wish: str) -> None:
    error = await error_of(503, HTML, {"Retry-After": wish})

    assert isinstance(error, DatabaseAway)
    assert error.retry_after is None


dates = st.builds(
    "{}, {} {} {} {}:{}:{} {}".format,
    st.sampled_from(["Fri", "Xyz", ""]),
    st.integers(-1, 99),
    st.sampled_from(["Nov", "Feb", "Xyz"]),
    st.integers(),
    st.integers(-1, 99),
    st.integers(-1, 99),
    st.integers(-1, 99),
    st.sampled_from(["GMT", "-0000", "+9999", "-9999", "", "XYZ"]),
)
codes = st.text() | st.from_regex(r"[0-9A-Z]{5}", fullmatch=True) | st.from_regex(r"PGRST[0-9X]{3}", fullmatch=True)


@given(
    code=codes,
    status=st.none() | st.integers(),
    wish=st.none() | st.text() | dates | st.floats().map(str) | st.integers().map(str),
)
def test_whatever_comes_it_is_one_of_the_two(code: str, status: int | None, wish: str | None) -> None:
    error = translate("beat", code, status, {} if wish is None else {"retry-after": wish})

    assert isinstance(error, DatabaseAway) is not isinstance(error, DatabaseRefused)
    assert str(error).startswith("beat: ")
    if isinstance(error, DatabaseAway) and error.retry_after is not None:
        assert 0 <= error.retry_after <= LONGEST_WISH_SECONDS
