-- What is to be answered now. One row per session that has something to answer: the primary key *is* the
-- promise that a session has one reply in flight. Its order is fair, and no user has more answered at the same time
-- than their plan allows.

create table private.reply_queue (
  session_id uuid primary key references public.chat_sessions (id) on delete cascade,
  user_id uuid not null,
  message_id uuid not null unique references public.chat_replies (message_id) on delete cascade,
  place bigint not null,
  due_at timestamptz not null default now(),
  waiting_since timestamptz not null default now(),
  worker_id uuid,
  claim bigint,
  claimed_at timestamptz,
  attempt integer not null default 0,
  calls integer not null default 0,
  deaths integer not null default 0,
  cancel_requested_at timestamptz,
  over_plan_since timestamptz,
  constraint held_by_a_worker_through_a_claim check (
    (worker_id is null) = (claim is null) and (worker_id is null) = (claimed_at is null))
)
with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

create index reply_queue_place_idx on private.reply_queue (place, due_at) where worker_id is null;
create index reply_queue_due_at_idx on private.reply_queue (due_at) where worker_id is null;
create index reply_queue_worker_id_idx on private.reply_queue (worker_id) where worker_id is not null;
create index reply_queue_user_id_idx on private.reply_queue (user_id, place);

comment on index private.reply_queue_place_idx is 'The claim: what is due, in the order of place.';
comment on index private.reply_queue_due_at_idx is 'When the next one that was put off is due.';
comment on index private.reply_queue_worker_id_idx is 'What a worker holds: beat, burial and release.';
comment on index private.reply_queue_user_id_idx is 'The largest place of a user.';
comment on index private.reply_queue_message_id_key is 'The place of a reply; and what goes with one.';

comment on table private.reply_queue is
  'The reply queue: for each session the one reply that is due, or being answered. Due is: worker_id is null and due_at <= now().';
comment on column private.reply_queue.place is
  'Replies are claimed in this order. Each further one of a user has a larger place, so that nobody is behind all questions of another.';
comment on column private.reply_queue.due_at is 'When this may be claimed: at once, or after a back-off.';
comment on column private.reply_queue.waiting_since is
  'Its age begins here: when it became its chat''s next, moved on by the time for which workers have held it.';
comment on column private.reply_queue.worker_id is 'The worker that holds it; empty while none does.';
comment on column private.reply_queue.claim is 'The number of the worker''s claim that took it: 1, 2, 3 … for each worker.';
comment on column private.reply_queue.claimed_at is 'When its worker took it.';
comment on column private.reply_queue.attempt is 'The attempt that holds it. (message_id, worker_id, attempt) is the fence.';
comment on column private.reply_queue.calls is
  'Calls to the model that failed or were lost, without those that met a limit, a refused key or a model that is gone. A retry by the user starts again from 0.';
comment on column private.reply_queue.deaths is 'Workers that were taken for dead while they held it. The third settles it as failed.';
comment on column private.reply_queue.cancel_requested_at is 'The author asked to stop; the worker settles it.';
comment on column private.reply_queue.over_plan_since is
  'Put off at this time because as many replies of its user were being answered as their plan allows.';

revoke all on table private.reply_queue from public, anon, authenticated, service_role;
-- No policies: nobody but its owner, through functions, ever comes here.
alter table private.reply_queue enable row level security;

create function private.max_calls() returns integer
language sql immutable
set search_path = ''
return 4;
comment on function private.max_calls() is 'How many calls to the model a reply may spend before it is settled as failed.';
revoke all on function private.max_calls() from public, anon, authenticated, service_role;

create function private.max_deaths() returns integer
language sql immutable
set search_path = ''
return 3;
comment on function private.max_deaths() is 'How many workers may die while they hold a reply before it is settled as failed.';
revoke all on function private.max_deaths() from public, anon, authenticated, service_role;

-- What each user was served last. Without it, whoever asks anew after each answer would always stand before somebody
-- who has asked two things, and a few such users would keep the second one waiting for ever.
create table private.served_places (
  user_id uuid primary key references auth.users (id) on delete cascade,
  place bigint not null
);

create index served_places_place_idx on private.served_places (place);

comment on index private.served_places_place_idx is 'The largest place that was served: where a queue that is empty goes on.';

comment on table private.served_places is 'The largest place with which a reply of each user was claimed.';

revoke all on table private.served_places from public, anon, authenticated, service_role;
alter table private.served_places enable row level security;

-- Start-time fair queueing: whoever has nothing in the queue joins at its head, whoever has or had much joins behind
-- their own last. So a user with a hundred questions delays the first one of another by one question, not by a hundred.
create function private.next_place(of_user uuid) returns bigint
language sql stable
set search_path = ''
begin atomic
  select greatest(
    coalesce(
      (select q.place from private.reply_queue q
        where q.worker_id is null and q.due_at <= now()
          -- What workers have died of stays last, also behind what comes later.
          and q.deaths + 1 < private.max_deaths()
        order by q.place limit 1),
      (select max(s.place) from private.served_places s),
      0),
    (select max(q.place) + 1 from private.reply_queue q where q.user_id = of_user),
    (select s.place + 1 from private.served_places s where s.user_id = of_user));
end;
comment on function private.next_place(uuid) is
  'The place of a reply that enters the queue: the smallest one that is due, and more than the largest of its user.';
revoke all on function private.next_place(uuid) from public, anon, authenticated, service_role;

-- Of two claims at the same moment one may be left out: it is a matter of order alone, and waits for nobody.
create function private.note_place(of_user uuid, served bigint) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform from private.served_places s where s.user_id = of_user for no key update skip locked;
  if found then
    update private.served_places s set place = greatest(s.place, served) where s.user_id = of_user;
  end if;
end
$$;
comment on function private.note_place(uuid, bigint) is 'Notes with which place a reply of a user was claimed.';
revoke all on function private.note_place(uuid, bigint) from public, anon, authenticated, service_role;

-- How many replies of one user are answered at the same time, by their plan. Looked at where a claim has picked a row,
-- and never over all that wait: a row above the limit is put off, so that it stands in no claim's way, and is due again
-- when a reply of its user is settled; or by itself, soon, whatever was overlooked or held by somebody else then.
create function private.put_off_seconds() returns double precision
language sql immutable
set search_path = ''
return 15;
comment on function private.put_off_seconds() is 'When what was put off by the plan is looked at again at the latest.';
revoke all on function private.put_off_seconds() from public, anon, authenticated, service_role;

-- 'room'; 'none': the plan's replies are under way; 'locked': another claim is looking at this user just now, and may
-- be taking the last one. The row that two claims meet at is that of served_places, which users' commands only insert.
create function private.room_for_reply(of_user uuid) returns text
language plpgsql
set search_path = ''
as $$
declare
  most constant integer := (private.plan_of(of_user)).replies_at_once;
begin
  if most is null then
    return 'room';
  end if;
  perform from private.served_places s where s.user_id = of_user for no key update skip locked;
  if not found and exists (select from private.served_places s where s.user_id = of_user) then
    return 'locked';
  end if;
  return case when most > (
    select count(*) from private.reply_queue q where q.user_id = of_user and q.worker_id is not null)
    then 'room' else 'none' end;
end
$$;
comment on function private.room_for_reply(uuid) is
  'Whether one more reply of a user may be answered by their plan: room, none, or locked (ask again).';
revoke all on function private.room_for_reply(uuid) from public, anon, authenticated, service_role;

create function private.put_off(due private.reply_queue) returns void
language plpgsql
set search_path = ''
as $$
begin
  update private.reply_queue q
  set due_at = now() + make_interval(secs => private.put_off_seconds()), over_plan_since = now()
  where q.session_id = due.session_id;
end
$$;
comment on function private.put_off(private.reply_queue) is 'Puts a due reply off that is above its user''s replies at once.';
revoke all on function private.put_off(private.reply_queue) from public, anon, authenticated, service_role;

-- One reply has ended, whichever way, so one that was put off is due. Not one that this very transaction has put off: a row that is
-- updated twice has its foreign keys looked at, and they would wait for whoever holds its session.
create function private.make_next_due() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  update private.reply_queue q set due_at = now(), over_plan_since = null
  where q.session_id = (
    select free.session_id from private.reply_queue free
    where free.user_id = old.user_id and free.worker_id is null and free.over_plan_since < now()
    order by free.place
    limit 1
    for update skip locked);
  return null;
end
$$;
comment on function private.make_next_due() is 'Makes the first reply of a user due that was put off by their plan.';
revoke all on function private.make_next_due() from public, anon, authenticated, service_role;

create trigger make_next_due after delete on private.reply_queue
  for each row when (old.worker_id is not null) execute function private.make_next_due();
