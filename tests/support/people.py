"""Who talks to the project in a test: users with their tokens, their chats, and clients of the REST API."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid4

import httpx
import jwt
import psycopg


@dataclass(frozen=True)
class User:
    id: UUID
    token: str


@dataclass(frozen=True)
class Chat:
    user: User
    post: UUID
    analysis: UUID
    session: UUID


class People:
    """Makes users and chats by SQL, and clients that speak to the REST API as any of them.

    `environment` is the stack's; `connection` commits by itself and may write everything.
    """

    def __init__(self, environment: Mapping[str, str], connection: psycopg.Connection[Any]) -> None:
        self._environment = environment
        self._connection = connection
        self._clients: list[httpx.Client] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.close()

    def make_user(self, role: str = "authenticated") -> User:
        """`role`: whom their token tells the API and Realtime to become."""
        user_id = uuid4()
        self._connection.execute(
            "insert into auth.users (id, email, aud, role) values (%s, %s, 'authenticated', 'authenticated')",
            [user_id, f"{user_id}@example.test"],
        )
        claims = {
            "sub": str(user_id),
            "aud": "authenticated",
            "role": role,
            "exp": int(time.time()) + 3600,
        }
        return User(user_id, jwt.encode(claims, self._environment["SUPABASE_JWT_SECRET"], algorithm="HS256"))

    def make_analysis(self, user: User) -> tuple[UUID, UUID]:
        """A post and its analysis: their ids."""
        post, analysis = uuid4(), uuid4()
        self._connection.execute(
            """insert into public.posts (id, user_id, platform, url, creator, caption, metrics)
            values (%s, %s, 'instagram', 'https://example.test/p/1', 'mara', 'Three eggs', '{"likes": 48210}')""",
            [post, user.id],
        )
        self._connection.execute(
            """insert into public.post_analyses (id, user_id, post_id, key_insights, analysis)
            values (%s, %s, %s, '["The hook is a question"]', '{"secret": "kept for the page"}')""",
            [analysis, user.id, post],
        )
        return post, analysis

    def make_chat(self, user: User | None = None) -> Chat:
        user = user or self.make_user()
        post, analysis = self.make_analysis(user)
        session = uuid4()
        self._connection.execute(
            "insert into public.chat_sessions (id, user_id, post_analysis_id) values (%s, %s, %s)",
            [session, user.id, analysis],
        )
        return Chat(user, post, analysis, session)

    def ask(self, chat: Chat, content: str = "Why did it work?") -> UUID:
        """A question, put by hand as in the dashboard's table editor."""
        message = uuid4()
        self._connection.execute(
            "insert into public.chat_messages (id, session_id, content) values (%s, %s, %s)",
            [message, chat.session, content],
        )
        return message

    def anon(self) -> httpx.Client:
        return self._client(self._environment["SUPABASE_PUBLISHABLE_KEY"], None)

    def signed_in(self, user: User) -> httpx.Client:
        return self._client(self._environment["SUPABASE_PUBLISHABLE_KEY"], user.token)

    def service(self) -> httpx.Client:
        return self._client(self._environment["SUPABASE_SECRET_KEY"], None)

    def _client(self, key: str, token: str | None) -> httpx.Client:
        headers = {"apikey": key, "prefer": "return=representation"}
        if token:
            headers["authorization"] = f"Bearer {token}"
        client = httpx.Client(base_url=f"{self._environment['SUPABASE_URL']}/rest/v1", headers=headers, timeout=20)
        self._clients.append(client)
        return client
