"""A Supabase project as its clients know it: an address, keys and a database, whoever runs it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

PREFIX = "CONFORMANCE_"
NAMES = {
    "url": "SUPABASE_URL",
    "publishable_key": "SUPABASE_PUBLISHABLE_KEY",
    "secret_key": "SUPABASE_SECRET_KEY",
    "jwt_secret": "SUPABASE_JWT_SECRET",
    "database_url": "DATABASE_URL",
}


@dataclass(frozen=True)
class Project:
    url: str
    publishable_key: str
    secret_key: str
    jwt_secret: str
    """Of the legacy JWT secret: tests sign the tokens of their users with it."""
    database_url: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """What a stack tells its clients."""
        return cls(**{field: environment[name] for field, name in NAMES.items()})

    @classmethod
    def given(cls, environment: Mapping[str, str]) -> Self | None:
        """The one that `CONFORMANCE_SUPABASE_URL` and its like name; None if none of them is set.

        The prefix keeps a developer's own `.env` from being taken for it: the tests write into the project.
        Raises ValueError where some are set and others are not.
        """
        values = {field: environment.get(PREFIX + name, "") for field, name in NAMES.items()}
        if not any(values.values()):
            return None
        if missing := [PREFIX + NAMES[field] for field, value in values.items() if not value]:
            raise ValueError(f"Not set: {', '.join(missing)}.")
        return cls(**values | {"url": values["url"].rstrip("/")})
