-- The workers that were heard of lately. A lease belongs to the worker, not to the reply: one row is written for
-- each sign of life, however many replies the worker holds.

create table private.workers (
  id uuid primary key,
  alive_until timestamptz not null,
  alive_seconds double precision not null,
  heard_since timestamptz not null default now(),
  claims_known bigint not null default 0,
  models_open_at timestamptz,
  is_leaving boolean not null default false,
  version text not null,
  concurrency integer not null,
  started_at timestamptz not null default now()
)
-- Written once a second by each worker: room on the page keeps those updates in place.
with (fillfactor = 20);

comment on table private.workers is
  'The processes that answer, while they live. A row is written by register_worker and beat, and goes with release or burial; its id never comes back.';
comment on column private.workers.alive_until is
  'Taken for dead after this, unless it is heard again first. -infinity: it was buried or released, and what it held is being freed.';
comment on column private.workers.alive_seconds is 'For how long each sign of life counts.';
comment on column private.workers.heard_since is
  'Heard without a gap since then. Only who was heard for a whole life buries others: after an outage of the API all look dead.';
comment on column private.workers.claims_known is 'The last of its claims whose answer it has, or has given up.';
comment on column private.workers.models_open_at is 'Until then it may ask no model; empty: it may.';
comment on column private.workers.is_leaving is 'It was released: what it still holds goes back as if it had given it back.';
comment on column private.workers.version is 'The version of its program.';
comment on column private.workers.concurrency is 'How many replies it answers at the same time.';

revoke all on table private.workers from public, anon, authenticated, service_role;
alter table private.workers enable row level security;

create function private.living_workers() returns integer
language plpgsql stable
set search_path = ''
as $$
begin
  return (select count(*) from private.workers w where w.alive_until > now());
end
$$;

create function private.chat_service()
returns table (answering boolean, model_busy_until timestamptz, paused boolean, paused_until timestamptz)
language sql stable security definer
set search_path = ''
rows 1
begin atomic
  select count(w.id) > 0,
    case when count(w.id) filter (where w.models_open_at is null or w.models_open_at <= now()) = 0
      then min(w.models_open_at) end,
    refusal.reason is not null, refusal.resets_at
  from private.project_refusal() as refusal
  left join private.workers w on w.alive_until > now()
  group by refusal.reason, refusal.resets_at;
end;

create view public.chat_service
with (security_invoker = true)
as
select s.answering, s.model_busy_until, s.paused, s.paused_until from private.chat_service() as s;

comment on view public.chat_service is
  'One row: whether questions are taken and answered just now. For a page that shows why a question waits, or would be refused. Everybody signed in reads.';
comment on column public.chat_service.answering is 'A worker lives.';
comment on column public.chat_service.model_busy_until is 'No worker may ask the model until then; empty: one may.';
comment on column public.chat_service.paused is 'No new questions are taken: the operator has paused the project, or it has spent what it may.';
comment on column public.chat_service.paused_until is 'When that ends, where it is known.';
comment on function private.living_workers() is 'How many workers live.';
comment on function private.chat_service() is 'The one row of the view chat_service.';

revoke all on function private.living_workers() from public, anon, authenticated, service_role;
revoke all on function private.chat_service() from public, anon, authenticated, service_role;
revoke all on table public.chat_service from public, anon, authenticated, service_role;
grant execute on function private.chat_service() to authenticated;
grant select on table public.chat_service to authenticated;
