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
comment on function private.living_workers() is 'How many workers live.';
revoke all on function private.living_workers() from public, anon, authenticated, service_role;

create function private.register_worker(
  worker_id uuid, alive_seconds double precision, version text, concurrency integer
) returns jsonb
language plpgsql security definer
set search_path = ''
as $$
begin
  insert into private.workers (id, alive_until, alive_seconds, version, concurrency)
  values (
    register_worker.worker_id, now() + make_interval(secs => register_worker.alive_seconds),
    register_worker.alive_seconds, register_worker.version, register_worker.concurrency)
  on conflict (id) do nothing;
  return jsonb_build_object('workers', private.living_workers());
end
$$;
revoke all on function private.register_worker(uuid, double precision, text, integer)
  from public, anon, authenticated, service_role;
grant execute on function private.register_worker(uuid, double precision, text, integer) to service_role;

create function public.register_worker(
  worker_id uuid, alive_seconds double precision, version text, concurrency integer
) returns jsonb
language sql
set search_path = ''
begin atomic
  select private.register_worker(
    register_worker.worker_id, register_worker.alive_seconds, register_worker.version, register_worker.concurrency);
end;
comment on function public.register_worker(uuid, double precision, text, integer) is
  'For the worker, under a fresh id. {"workers": how many live}.';
revoke all on function public.register_worker(uuid, double precision, text, integer)
  from public, anon, authenticated, service_role;
grant execute on function public.register_worker(uuid, double precision, text, integer) to service_role;
