-- The project's spend cap and its pause switch: over the one, or by the other, users get no new answer begun. What is
-- under way or waits already is answered. The service and the dashboard are not refused.
--
-- What was spent on models is in one small row. Every question reads this row and that of the settings, and waits for
-- neither: to read takes no lock, and what is spent is added up elsewhere (measure_spend). A cap that is raised, and a
-- pause that is ended, hold at the next question.

create table private.spend (
  -- So the settings cannot be deleted by a slip: without their row nobody has a plan, and there is no cap and no pause.
  id boolean primary key default true references public.chat_settings (id),
  day date not null default '-infinity',
  usd_of_day numeric not null default 0,
  usd_of_month numeric not null default 0,
  measured_at timestamptz not null default '-infinity',
  constraint one_row check (id)
)
-- Written every few seconds: room on the page keeps those updates in place.
with (fillfactor = 20);

insert into private.spend default values;

-- Counted by their sequences: what a refused transaction writes is undone, what it takes from a sequence is not. There
-- is never a row.
create table private.refusals (
  paused bigint generated always as identity,
  spend_cap_day bigint generated always as identity,
  spend_cap_month bigint generated always as identity
);

comment on table private.spend is 'One row: what the calls of the present day and month of UTC cost, a few seconds ago.';
comment on column private.spend.day is 'The day of UTC on which it was measured.';
comment on column private.spend.usd_of_month is 'Of the month in which that day lies.';
comment on table private.refusals is
  'How many questions, retries and regenerations were refused, by reason: the last value of each column''s sequence.';

revoke all on table private.spend, private.refusals from public, anon, authenticated, service_role;
alter table private.spend enable row level security;
alter table private.refusals enable row level security;

do $$
declare
  reason text;
begin
  foreach reason in array array['paused', 'spend_cap_day', 'spend_cap_month'] loop
    execute format('revoke all on sequence %s from public, anon, authenticated, service_role',
      pg_get_serial_sequence('private.refusals', reason));
  end loop;
end
$$;

-- In plpgsql, which keeps its plans: both are asked with every question.
create function private.spent_by(moment timestamptz, out usd_of_day numeric, out usd_of_month numeric)
language plpgsql stable
set search_path = ''
as $$
declare
  today constant date := moment at time zone 'UTC';
begin
  -- Of a day, or a month, in which nothing was measured yet, nothing is known to be spent.
  select
    case when s.day = today then s.usd_of_day else 0 end,
    case when s.day >= date_trunc('month', today::timestamp) then s.usd_of_month else 0 end
  into usd_of_day, usd_of_month
  from private.spend s;
end
$$;
comment on function private.spent_by(timestamptz) is 'What the day and the month of this moment have cost, as far as it was measured.';
revoke all on function private.spent_by(timestamptz) from public, anon, authenticated, service_role;

create function private.project_refusal(moment timestamptz default now(), out reason text, out resets_at timestamptz)
language plpgsql stable
set search_path = ''
as $$
declare
  settings public.chat_settings;
  spent record;
  today constant timestamp := date_trunc('day', moment at time zone 'UTC');
begin
  select * into settings from public.chat_settings;
  select * into spent from private.spent_by(moment);
  if settings.paused then
    reason := 'paused';
  elsif spent.usd_of_month >= settings.spend_cap_usd_per_month then
    reason := 'spend_cap_month';
    resets_at := (date_trunc('month', today) + interval '1 month') at time zone 'UTC';
  elsif spent.usd_of_day >= settings.spend_cap_usd_per_day then
    reason := 'spend_cap_day';
    resets_at := (today + interval '1 day') at time zone 'UTC';
  end if;
end
$$;
comment on function private.project_refusal(timestamptz) is
  'Why the project takes no questions: paused, spend_cap_month or spend_cap_day, and until when, where that is known; nulls: it takes them.';
revoke all on function private.project_refusal(timestamptz) from public, anon, authenticated, service_role;

-- For a call whose cost nobody knows (it was lost, or its model has no price) as much as such a call can well cost:
-- a prompt of 32,000 tokens and an answer of 1,000 at list prices. Where answers cost more than that, their average.
create function private.cost_of_unknown_call() returns numeric
language sql immutable
set search_path = ''
return 0.02;
comment on function private.cost_of_unknown_call() is
  'US dollars that a call counts as at least where its cost is not known.';
revoke all on function private.cost_of_unknown_call() from public, anon, authenticated, service_role;

-- Every few seconds for the project, whoever comes first. A reader waits for it no longer than it reads: one that comes
-- meanwhile goes by the row as it was.
create function private.add_up_spend() returns void
language plpgsql
set search_path = ''
as $$
declare
  today constant timestamp := date_trunc('day', now() at time zone 'UTC');
  this_month constant timestamp := date_trunc('month', today);
begin
  perform from private.spend s
  where s.measured_at not between now() - interval '4 s' and now()
  for no key update skip locked;
  if not found then
    return;
  end if;
  -- Sums and entries in one statement: the reconciler moves the ones to the others meanwhile.
  with calls as (
    select c.starts_at at time zone 'UTC' as began_at, c.outcome, c.calls, c.cost_usd, c.calls_without_price
    from private.call_counts c
    where c.span = 'day' and c.starts_at >= this_month at time zone 'UTC'
    union all
    select u.started_at at time zone 'UTC', u.outcome, u.calls, u.cost_usd, u.calls_without_price
    from private.uncounted_calls u
    where u.started_at >= this_month at time zone 'UTC'
  ), price as (
    select greatest(
      private.cost_of_unknown_call(),
      sum(c.cost_usd) / nullif(sum(c.calls - c.calls_without_price), 0)) as of_unknown
    from calls c
    where c.outcome = 'ok'
  )
  update private.spend s
  set day = today, usd_of_day = spent.of_day, usd_of_month = spent.of_month, measured_at = now()
  from (
    select coalesce(sum(c.cost_usd + c.calls_without_price * p.of_unknown) filter (where c.began_at >= today), 0) as of_day,
      coalesce(sum(c.cost_usd + c.calls_without_price * p.of_unknown), 0) as of_month
    from calls c
    cross join price p
  ) as spent;
end
$$;
comment on function private.add_up_spend() is 'Adds up what the present day and month cost, unless that was done within 4 s.';
revoke all on function private.add_up_spend() from public, anon, authenticated, service_role;

create function private.measure_spend() returns jsonb
language plpgsql security definer
set search_path = ''
as $$
begin
  perform private.add_up_spend();
  return private.ops_spend();
end
$$;
revoke all on function private.measure_spend() from public, anon, authenticated, service_role;
grant execute on function private.measure_spend() to service_role;

create function public.measure_spend() returns jsonb
language sql
set search_path = ''
begin atomic
  select private.measure_spend();
end;
comment on function public.measure_spend() is
  'For the worker, every few seconds: adds up what was spent, and answers the spend as ops_report() has it.';
revoke all on function public.measure_spend() from public, anon, authenticated, service_role;
grant execute on function public.measure_spend() to service_role;

-- A PGRST error carries headers, which a PT429 cannot.
create function private.refuse_project_paused(reason text, resets_at timestamptz) returns void
language plpgsql
set search_path = ''
as $$
declare
  sentence constant text := case refuse_project_paused.reason
    when 'paused' then 'The chat is paused at the moment, and takes no new questions.'
    when 'spend_cap_day' then 'The chat has spent what it may in a day, and takes no new questions until the next one.'
    else 'The chat has spent what it may in a month, and takes no new questions until the next one.' end;
  -- Nobody knows when a pause ends: it is asked again after a minute.
  retry_after constant integer := coalesce(ceil(extract(epoch from refuse_project_paused.resets_at - now())), 60);
begin
  perform nextval(pg_get_serial_sequence('private.refusals', refuse_project_paused.reason)::regclass);
  raise sqlstate 'PGRST' using
    message = json_build_object(
      'code', 'project_paused', 'message', sentence, 'hint', 'project_paused',
      'details', json_build_object(
        'reason', refuse_project_paused.reason, 'resets_at', refuse_project_paused.resets_at)::text)::text,
    detail = json_build_object(
      'status', 429, 'headers', json_build_object('Retry-After', greatest(1, retry_after)::text))::text;
end
$$;
comment on function private.refuse_project_paused(text, timestamptz) is
  'Refuses with 429 project_paused, a sentence, {"reason", "resets_at"} as details and Retry-After.';
revoke all on function private.refuse_project_paused(text, timestamptz) from public, anon, authenticated, service_role;

create function private.refuse_beyond_spend() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  refusal record;
begin
  if (select auth.uid()) is null then
    return new; -- the service, the dashboard
  end if;
  select * into refusal from private.project_refusal();
  if refusal.reason is not null then
    perform private.refuse_project_paused(refusal.reason, refusal.resets_at);
  end if;
  return new;
end
$$;
comment on function private.refuse_beyond_spend() is 'Lets no user have a new answer begun while the project is paused or over its cap.';
revoke all on function private.refuse_beyond_spend() from public, anon, authenticated, service_role;

-- Where unfinished replies come from: questions; retries and regenerations. A question that is stored already and sent
-- again opens none, and is not refused.
create trigger refuse_beyond_spend before insert on public.chat_replies
  for each row execute function private.refuse_beyond_spend();

create trigger refuse_beyond_spend_again before update of status on public.chat_replies
  for each row when (old.status in ('completed', 'failed', 'cancelled') and new.status = 'pending')
  execute function private.refuse_beyond_spend();

-- For a page: whether questions are taken, and answered, just now.
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
comment on function private.chat_service() is 'The one row of the view chat_service.';
revoke all on function private.chat_service() from public, anon, authenticated, service_role;
grant execute on function private.chat_service() to authenticated;

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
revoke all on table public.chat_service from public, anon, authenticated, service_role;
grant select on table public.chat_service to authenticated;
