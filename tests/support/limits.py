"""What the plans allow: everything, on stacks whose people ask more than anybody would; or so much and no more."""

from typing import Any
from uuid import uuid4

import psycopg

from tests.support.people import User

WITHOUT_LIMITS = "without limits"


def take_off(database_url: str) -> None:
    """Everybody who has no plan of their own may ask as much as they like; the flood guard stays."""
    with psycopg.connect(database_url, autocommit=True) as operator:
        operator.execute("insert into public.plans (name) values (%s)", [WITHOUT_LIMITS])
        operator.execute("update public.chat_settings set default_plan = %s", [WITHOUT_LIMITS])


def put_on(database: psycopg.Connection[Any], user: User, **limits: int) -> str:
    """Gives the user a plan with these limits and no others; its name."""
    name = f"plan {uuid4()}"
    names, places = ", ".join(["name", *limits]), ", ".join(["%s"] * (1 + len(limits)))
    database.execute(f"insert into public.plans ({names}) values ({places})".encode(), [name, *limits.values()])
    database.execute(
        """insert into public.user_plans (user_id, plan) values (%s, %s)
        on conflict (user_id) do update set plan = excluded.plan""",
        [user.id, name],
    )
    return name


def live_in(database: psycopg.Connection[Any], user: User, time_zone: str) -> None:
    """Days of this user begin and end there. The plan is the `pro` one, unless there is another."""
    database.execute(
        """insert into public.user_plans (user_id, plan, time_zone) values (%s, 'pro', %s)
        on conflict (user_id) do update set time_zone = excluded.time_zone""",
        [user.id, time_zone],
    )
