"""The types of what the fixtures of tests/conformance hand out."""

from collections.abc import Awaitable, Callable
from typing import Any

import psycopg

from tests.support.peer import Peer
from tests.support.stand_in import StandIn

Connection = psycopg.Connection[Any]

Connect = Callable[..., Awaitable[Peer]]

Start = Callable[..., StandIn]

MakeTable = Callable[..., str]

MakeToken = Callable[..., str]

Policy = Callable[..., None]
