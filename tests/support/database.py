"""The operator's connection, as the fixtures hand it out."""

from typing import Any

import psycopg

Connection = psycopg.Connection[dict[str, Any]]
