"""The demo account and its analysed posts, for the first look after `make run`.

Installed into the local stack only: a migration or a seed would also reach hosted projects.
"""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.types.json import Jsonb

EMAIL = "demo@postbro.test"
PASSWORD = "postbro-demo"  # noqa: S105 - of an account that exists on this machine alone
TIMEOUT = 15.0  # seconds

_POSTS = Path(__file__).with_name("demo_posts")
_TOLD_FIELDS = ("quick_takeaways", "creator_context", "viral_status", "frameworks", "key_insights")
_INSERT_POST = """
    insert into public.posts (id, user_id, platform, url, creator, caption, metrics, media, posted_at)
    values (%(id)s, %(user_id)s, %(platform)s, %(url)s, %(creator)s, %(caption)s, %(metrics)s, %(media)s,
            %(posted_at)s)
    on conflict do nothing
"""
_INSERT_ANALYSIS = """
    insert into public.post_analyses (id, user_id, post_id, quick_takeaways, creator_context, viral_status,
                                      frameworks, key_insights, analysis)
    values (%(id)s, %(user_id)s, %(post_id)s, %(quick_takeaways)s, %(creator_context)s, %(viral_status)s,
            %(frameworks)s, %(key_insights)s, %(analysis)s)
    on conflict do nothing
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DemoPost:
    """One file of `demo_posts`: rows of `posts` and `post_analyses` without their owner."""

    post: dict[str, Any]
    analysis_id: str
    analysis: dict[str, Any]


def install(api_url: str, publishable_key: str, database_url: str) -> None:
    """Create the demo account and its posts if they do not exist; existing rows are left unchanged.

    Raises httpx.HTTPError if the API refuses the account, psycopg.Error if the database refuses the posts.
    """
    user_id = _account(api_url, publishable_key)
    with psycopg.connect(database_url) as connection:
        for demo in read_posts():
            connection.execute(_INSERT_POST, _row(demo.post, user_id))
            told = {name: demo.analysis[name] for name in _TOLD_FIELDS}
            analysis = {"id": demo.analysis_id, "post_id": demo.post["id"], "analysis": demo.analysis}
            connection.execute(_INSERT_ANALYSIS, _row(analysis | told, user_id))
    log.info("The demo account %s and its posts are in place.", EMAIL)


def read_posts() -> list[DemoPost]:
    return [DemoPost(**json.loads(path.read_text(encoding="utf-8"))) for path in sorted(_POSTS.glob("*.json"))]


def _account(api_url: str, publishable_key: str) -> str:
    """The id of the demo account, which is created if it is missing."""
    headers = {"apikey": publishable_key}
    credentials = {"email": EMAIL, "password": PASSWORD}
    with httpx.Client(base_url=f"{api_url}/auth/v1", headers=headers, timeout=TIMEOUT) as auth:
        answer = auth.post("/token", params={"grant_type": "password"}, json=credentials)
        if answer.status_code == httpx.codes.BAD_REQUEST:
            answer = auth.post("/signup", json=credentials)
        answer.raise_for_status()
    # Where e-mails must be confirmed, sign-up returns the user itself instead of a session.
    body = answer.json()
    return str(body.get("user", body)["id"])


def _row(values: dict[str, Any], user_id: str) -> dict[str, Any]:
    row = {name: Jsonb(value) if isinstance(value, dict | list) else value for name, value in values.items()}
    return row | {"user_id": user_id}
