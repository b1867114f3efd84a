"""Accounts for scripts that sign in by themselves."""

from uuid import uuid4

import httpx

from tests.support.people import Chat, People, User
from worker.local.stack import Stack


def sign_up(house: Stack, people: People) -> tuple[Chat, dict[str, str]]:
    """A user with an analysed post, and the environment for a script of that user."""
    account = {"email": f"{uuid4()}@example.test", "password": "a-long-password"}
    key = house.environment["SUPABASE_PUBLISHABLE_KEY"]
    made = httpx.post(
        f"{house.environment['SUPABASE_URL']}/auth/v1/signup", headers={"apikey": key}, json=account
    ).json()
    chat = people.make_chat(User(made["user"]["id"], made["access_token"]))
    told = {name: house.environment[name] for name in ("SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEY")}
    return chat, {**told, "EMAIL": account["email"], "PASSWORD": account["password"]}
