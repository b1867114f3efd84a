"""Guards taken away, one at a time, to see that a run under faults sees it. Nothing of the worker knows of this.

Those of the worker are undone in its process (`python -m tests.chaos.sabotage renewal`, in the place of
`python -m worker run`), that of the database by SQL in the run's own.
"""

import asyncio
import sys

from worker import config, logs, service
from worker.replies import Replies
from worker.runner import Runner

# Whoever asks holds the claim, and a version may have any number of answers.
WITHOUT_FENCE = """
alter table public.chat_messages drop constraint one_answer_per_version;

create or replace function private.lock_claim(of_message uuid, of_worker uuid, of_attempt integer)
returns private.reply_queue
language sql
set search_path = ''
as $$
  select (m.session_id, m.id, now(), of_worker, of_attempt, 1, null)::private.reply_queue
  from public.chat_messages m where m.id = of_message
$$;

create or replace function private.renew_leases(worker_id uuid, held jsonb, lease_seconds double precision)
returns jsonb
language sql security definer
set search_path = ''
as $$
  with wanted as (
    select w.message_id, w.attempt from jsonb_to_recordset(held) as w (message_id uuid, attempt integer)
  ), renewed as (
    update private.reply_queue q set due_at = now() + make_interval(secs => lease_seconds)
    from wanted w where q.message_id = w.message_id
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'message_id', message_id, 'attempt', attempt, 'held', true, 'cancel_requested', false)), '[]')
  from wanted
$$;
"""

IN_THE_DATABASE = {"fence": WITHOUT_FENCE}


def without_renewal() -> None:
    async def renew(self, claims):
        return []

    Replies.renew = renew


def without_cancel() -> None:
    """The lease is lost, and the stream goes on."""
    Runner._give_up = lambda self, lost: None


def without_sweep() -> None:
    """While Realtime is down, nothing is looked for by the clock."""
    claim = Runner._claim

    async def claim_when_told(self, *why):
        following = await claim(self, *why)
        return following if self._wakeup.subscribed else following._replace(seconds=86_400.0)

    Runner._claim = claim_when_told


IN_THE_WORKER = {"renewal": without_renewal, "cancel": without_cancel, "sweep": without_sweep}

NAMES = [*IN_THE_WORKER, *IN_THE_DATABASE]


if __name__ == "__main__":
    IN_THE_WORKER[sys.argv[1]]()
    logs.configure()
    asyncio.run(service.run(config.load(config.WorkerSettings)))
