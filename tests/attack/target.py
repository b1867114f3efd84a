"""What an account knows: addresses, its token, and ids of its own and of others."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """The project's addresses as everybody knows them."""

    api: str
    """The base of PostgREST."""
    web: str
    """The base of the chat page and its endpoints."""
    realtime: str
    """The WebSocket's address, without a query."""
    key: str
    """The publishable key."""


@dataclass(frozen=True)
class Account:
    """An account with several chats. `questions` are its own, one in each chat; `strangers` are ids of other people's
    chats and messages, which it should not know and is given here."""

    id: str
    token: str
    analyses: list[str]
    sessions: list[str]
    questions: list[str]
    strangers: list[str]
