"""Guards taken away, one at a time, to see that a run under faults sees it. Nothing of the worker knows of this.

Those of the worker are undone in its process (`python -m tests.chaos.sabotage renewal`, in the place of
`python -m worker run`), that of the database by SQL in the run's own.
"""

import asyncio
import sys
from typing import Any
from unittest.mock import patch

from worker import config, run
from worker.answering import Answering
from worker.claim import Claim
from worker.database.replies import Beaten, Replies
from worker.leaving import leave_within
from worker.runner import Next, Runner
from worker.telemetry import logs

# Whoever asks holds the claim, nobody is told that it is buried, and a version may have any number of answers.
WITHOUT_FENCE = """
drop index public.one_answer_per_version, public.one_message_per_turn;

create or replace function private.lock_claim(of_message uuid, of_worker uuid, of_attempt integer)
returns private.reply_queue
language sql
set search_path = ''
as $$
  select jsonb_populate_record(null::private.reply_queue, jsonb_build_object(
    'session_id', m.session_id, 'user_id', m.user_id, 'message_id', m.id, 'worker_id', of_worker, 'claim', 1,
    'claimed_at', now(), 'attempt', of_attempt, 'calls', 0, 'deaths', 0))
  from public.chat_messages m where m.id = of_message
$$;

create function private.beat_of_anybody(
  worker_id uuid, alive_seconds double precision, claims_known bigint, models_closed_seconds double precision,
  held uuid[], attempts integer[], asking jsonb
) returns jsonb
language plpgsql security definer
set search_path = ''
as $$
begin
  insert into private.workers as w (id, alive_until, alive_seconds, version, concurrency)
  values (worker_id, now() + make_interval(secs => alive_seconds), alive_seconds, 'sabotaged', 50)
  on conflict (id) do update set alive_until = greatest(w.alive_until, now());
  return private.beat(worker_id, alive_seconds, claims_known, models_closed_seconds, held, attempts, asking)
    || '{"lost": []}';
end
$$;
grant execute on function private.beat_of_anybody to service_role;

create or replace function public.beat(
  worker_id uuid, alive_seconds double precision, claims_known bigint, models_closed_seconds double precision,
  held uuid[], attempts integer[], asking jsonb
) returns jsonb
language sql
set search_path = ''
begin atomic
  select private.beat_of_anybody(
    beat.worker_id, beat.alive_seconds, beat.claims_known, beat.models_closed_seconds, beat.held, beat.attempts,
    beat.asking);
end;
"""

IN_THE_DATABASE = {"fence": WITHOUT_FENCE}


def without_renewal() -> None:
    """While it holds something, a worker does not show that it lives."""
    beat = Replies.beat

    async def beat_when_idle(self: Replies, claims: list[Claim], *words: Any) -> Beaten:
        return Beaten(alive=True) if claims else await beat(self, claims, *words)

    patch.object(Replies, "beat", beat_when_idle).start()


def without_cancel() -> None:
    """The claim is lost, and the stream goes on."""
    patch.object(Answering, "give_up", lambda self, lost: None).start()


def without_sweep() -> None:
    """While Realtime is down, nothing is looked for by the clock."""
    claim = Runner._claim

    async def claim_when_told(self: Runner, *why: Any) -> Next:
        following = await claim(self, *why)
        return following if self._wakeup.subscribed else following._replace(seconds=86_400.0)

    patch.object(Runner, "_claim", claim_when_told).start()


IN_THE_WORKER = {"renewal": without_renewal, "cancel": without_cancel, "sweep": without_sweep}

NAMES = [*IN_THE_WORKER, *IN_THE_DATABASE]


if __name__ == "__main__":
    IN_THE_WORKER[sys.argv[1]]()
    logs.configure()
    asyncio.run(run.run(config.load(config.WorkerSettings), leave_within))
