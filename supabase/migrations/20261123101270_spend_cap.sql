-- The project's spend cap and its pause switch: over the one, or by the other, users get no new answer begun. What is
-- under way or waits already is answered. The service and the dashboard are not refused.

-- For a call whose cost nobody knows (it was lost, or its model has no price) as much as such a call can well cost:
-- a prompt of 32,000 tokens and an answer of 1,000 at list prices. Where answers cost more than that, their average.
create function private.cost_of_unknown_call() returns numeric
language sql immutable
set search_path = ''
return 0.02;

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

create function private.refusals_of(reason text) returns bigint
language plpgsql stable
set search_path = ''
as $$
begin
  return coalesce(pg_catalog.pg_sequence_last_value(pg_get_serial_sequence('private.refusals', reason)::regclass), 0);
end
$$;

create function private.ops_spend() returns jsonb
language plpgsql stable
set search_path = ''
as $$
begin
  return (
    select jsonb_build_object(
      'paused', c.paused,
      'refuses', r.reason,
      'resets_at', r.resets_at,
      'usd_today', spent.usd_of_day,
      'usd_this_month', spent.usd_of_month,
      'cap_usd_per_day', c.spend_cap_usd_per_day,
      'cap_usd_per_month', c.spend_cap_usd_per_month,
      'measured_at', nullif(s.measured_at, '-infinity'),
      'refused', jsonb_build_object(
        'paused', private.refusals_of('paused'),
        'spend_cap_day', private.refusals_of('spend_cap_day'),
        'spend_cap_month', private.refusals_of('spend_cap_month')))
    from public.chat_settings c
    cross join private.spend s
    cross join private.spent_by(now()) as spent
    cross join private.project_refusal() as r);
end
$$;

create function private.measure_spend() returns jsonb
language plpgsql security definer
set search_path = ''
as $$
begin
  perform private.add_up_spend();
  return private.ops_spend();
end
$$;

create function public.measure_spend() returns jsonb
language sql
set search_path = ''
begin atomic
  select private.measure_spend();
end;

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

-- Where unfinished replies come from: questions; retries and regenerations. A question that is stored already and sent
-- again opens none, and is not refused.
create trigger refuse_beyond_spend before insert on public.chat_replies
  for each row execute function private.refuse_beyond_spend();

create trigger refuse_beyond_spend_again before update of status on public.chat_replies
  for each row when (old.status in ('completed', 'failed', 'cancelled') and new.status = 'pending')
  execute function private.refuse_beyond_spend();

comment on function private.cost_of_unknown_call() is
  'US dollars that a call counts as at least where its cost is not known.';
comment on function private.add_up_spend() is 'Adds up what the present day and month cost, unless that was done within 4 s.';
comment on function private.refusals_of(text) is 'How many were refused for this reason since the installation.';
comment on function private.ops_spend() is
  'For the operator: {"paused", "refuses": the reason or null, "resets_at", "usd_today", "usd_this_month", "cap_usd_per_day", "cap_usd_per_month", "measured_at", "refused": {reason: count}}.';
comment on function public.measure_spend() is
  'For the worker, every few seconds: adds up what was spent, and answers the spend as ops_report() has it.';
comment on function private.refuse_project_paused(text, timestamptz) is
  'Refuses with 429 project_paused, a sentence, {"reason", "resets_at"} as details and Retry-After.';
comment on function private.refuse_beyond_spend() is 'Lets no user have a new answer begun while the project is paused or over its cap.';

revoke all on function private.cost_of_unknown_call() from public, anon, authenticated, service_role;
revoke all on function private.add_up_spend() from public, anon, authenticated, service_role;
revoke all on function private.refusals_of(text) from public, anon, authenticated, service_role;
revoke all on function private.ops_spend() from public, anon, authenticated, service_role;
revoke all on function private.measure_spend() from public, anon, authenticated, service_role;
revoke all on function public.measure_spend() from public, anon, authenticated, service_role;
revoke all on function private.refuse_project_paused(text, timestamptz) from public, anon, authenticated, service_role;
revoke all on function private.refuse_beyond_spend() from public, anon, authenticated, service_role;
grant execute on function private.measure_spend() to service_role;
grant execute on function public.measure_spend() to service_role;
