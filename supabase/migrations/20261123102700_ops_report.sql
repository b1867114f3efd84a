-- The operator's page in one call: figures, no content, nobody's address.

create function private.refusals_of(reason text) returns bigint
language plpgsql stable
set search_path = ''
as $$
begin
  return coalesce(pg_catalog.pg_sequence_last_value(pg_get_serial_sequence('private.refusals', reason)::regclass), 0);
end
$$;
comment on function private.refusals_of(text) is 'How many were refused for this reason since the installation.';
revoke all on function private.refusals_of(text) from public, anon, authenticated, service_role;

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
comment on function private.ops_spend() is
  'For the operator: {"paused", "refuses": the reason or null, "resets_at", "usd_today", "usd_this_month", "cap_usd_per_day", "cap_usd_per_month", "measured_at", "refused": {reason: count}}.';
revoke all on function private.ops_spend() from public, anon, authenticated, service_role;

create function private.ops_queue() returns jsonb
language sql stable security definer
set search_path = ''
begin atomic
  select jsonb_build_object(
    'pending', (select count(*) from public.chat_replies r where r.status = 'pending'),
    'oldest_pending_seconds', extract(epoch from now() - min(q.waiting_since) filter (where q.worker_id is null))::integer,
    'in_flight', count(*) filter (where q.worker_id is not null),
    'workers', private.living_workers(),
    'waiting_to_retry', count(*) filter (where q.worker_id is null and q.due_at > now()),
    'overdue', count(*) filter (where q.worker_id is null and q.due_at <= now()),
    'oldest_overdue_seconds', extract(epoch from
      now() - min(q.due_at) filter (where q.worker_id is null and q.due_at <= now()))::integer,
    'mended', (select c.mended from private.reconciler c),
    'set_aside', (select c.set_aside from private.reconciler c),
    'refuses_questions', (select c.refuses_questions from private.reconciler c))
  from private.reply_queue q;
end;
comment on function private.ops_queue() is
  'The queue as it is now. Overdue: due, and no worker has claimed it yet. Oldest: since it became its chat''s next.';
revoke all on function private.ops_queue() from public, anon, authenticated, service_role;
grant execute on function private.ops_queue() to service_role;

create function private.ops_workers() returns jsonb
language sql stable
set search_path = ''
begin atomic
  select coalesce(jsonb_agg(jsonb_build_object(
    'id', w.id, 'version', w.version, 'started_at', w.started_at, 'concurrency', w.concurrency,
    'holds', (select count(*) from private.reply_queue q where q.worker_id = w.id),
    'models_open_at', w.models_open_at, 'heard_seconds_ago', greatest(0, round(
      (extract(epoch from now() - w.alive_until) + w.alive_seconds)::numeric, 1))) order by w.started_at), '[]')
  from private.workers w
  where w.alive_until > '-infinity';
end;
comment on function private.ops_workers() is 'The workers that live, or were heard of lately.';
revoke all on function private.ops_workers() from public, anon, authenticated, service_role;

-- Whole days by their own sums, and only what is before the first of them by the hour: a report reads some thirty spans
-- for a week, and not 168. The condition stands in each query, where it is applied before buckets are unfolded.
create function private.ops_models(since timestamptz) returns jsonb
language sql stable
set search_path = ''
begin atomic
  select coalesce(jsonb_agg(
    to_jsonb(used) || jsonb_build_object('first_token_ms', took.first_token_ms, 'latency_ms', took.latency_ms)
    order by used.calls desc, used.model), '[]')
  from (
    select c.model, sum(c.calls) as calls, sum(c.tokens) as tokens, sum(c.cost_usd) as cost_usd,
      sum(c.calls_with_estimated_cost) as calls_with_estimated_cost,
      sum(c.calls_without_price) as calls_without_price
    from private.calls_by_span c
    where c.starts_at > since
      and c.span = case when c.starts_at < date_trunc('day', since, 'UTC') + interval '1 day' then 'hour' else 'day' end
    group by c.model
    having sum(c.calls) > 0
  ) as used
  left join (
    select b.model,
      private.percentiles(array_agg(b.bucket), array_agg(b.first_token_calls)) as first_token_ms,
      private.percentiles(array_agg(b.bucket), array_agg(b.latency_calls)) as latency_ms
    from (
      select l.model, l.bucket,
        sum(l.first_token_calls)::bigint as first_token_calls, sum(l.latency_calls)::bigint as latency_calls
      from private.latencies_by_span l
      where l.starts_at > since
        and l.span = case when l.starts_at < date_trunc('day', since, 'UTC') + interval '1 day' then 'hour' else 'day' end
      group by l.model, l.bucket
    ) as b
    group by b.model
  ) as took on took.model = used.model;
end;
comment on function private.ops_models(timestamptz) is
  'What each model was used for since then; latencies as [p50, p95, p99], to within 10 %.';
revoke all on function private.ops_models(timestamptz) from public, anon, authenticated, service_role;

create function private.ops_period(since timestamptz) returns jsonb
language sql stable
set search_path = ''
begin atomic
  with calls as (
    select c.outcome, sum(c.calls) as count, sum(c.retries) as retries
    from private.calls_by_span c
    where c.starts_at > since
      and c.span = case when c.starts_at < date_trunc('day', since, 'UTC') + interval '1 day' then 'hour' else 'day' end
    group by c.outcome
    having sum(c.calls) > 0
  ), replies as (
    select r.what, r.error_code, sum(r.replies) as count
    from private.replies_by_span r
    where r.starts_at > since
      and r.span = case when r.starts_at < date_trunc('day', since, 'UTC') + interval '1 day' then 'hour' else 'day' end
    group by r.what, r.error_code
  )
  select jsonb_build_object(
    'hours', round(extract(epoch from now() - since) / 3600)::integer,
    'replies', (select coalesce(jsonb_object_agg(r.what, r.count), '{}')
      from (select what, sum(count) as count from replies group by what) as r),
    'failures', (select coalesce(jsonb_object_agg(r.error_code, r.count), '{}') from replies r where r.what = 'failed'),
    'calls', (select coalesce(jsonb_object_agg(c.outcome, c.count), '{}') from calls c),
    'retries', (select coalesce(sum(c.retries), 0) from calls c),
    'models', private.ops_models(since));
end;
comment on function private.ops_period(timestamptz) is
  'Replies asked for, and ended calls begun, in the hours (by the clock) that began since then. What is deleted stays counted.';
revoke all on function private.ops_period(timestamptz) from public, anon, authenticated, service_role;

create function private.ops_days(days integer) returns jsonb
language sql stable
set search_path = ''
begin atomic
  select coalesce(jsonb_agg(to_jsonb(d) order by d.day, d.model), '[]')
  from (
    select (c.starts_at at time zone 'UTC')::date as day, c.model,
      sum(c.calls) as calls, sum(c.tokens) as tokens, sum(c.cost_usd) as cost_usd,
      sum(c.calls_with_estimated_cost) as calls_with_estimated_cost,
      sum(c.calls_without_price) as calls_without_price
    from private.calls_by_span c
    where c.span = 'day' and c.starts_at > now() - make_interval(days => ops_days.days)
    group by 1, 2
    having sum(c.calls) > 0
  ) as d;
end;
comment on function private.ops_days(integer) is 'Calls that have ended, tokens and cost of each day of UTC and model, today included.';
revoke all on function private.ops_days(integer) from public, anon, authenticated, service_role;

create function private.ops_report() returns jsonb
language sql stable security definer
set search_path = ''
begin atomic
  select jsonb_build_object(
    'at', now(),
    'queue', private.ops_queue(),
    'spend', private.ops_spend(),
    'workers', private.ops_workers(),
    'periods', jsonb_build_array(
      private.ops_period(now() - interval '24 hours'), private.ops_period(now() - interval '168 hours')),
    'days', private.ops_days(14));
end;
revoke all on function private.ops_report() from public, anon, authenticated, service_role;
grant execute on function private.ops_report() to service_role;

create function public.ops_report() returns jsonb
language sql stable
set search_path = ''
begin atomic
  select private.ops_report();
end;
comment on function public.ops_report() is
  'For the operator''s page: {"at", "queue", "spend", "workers", "periods": the last 24 hours and 7 days, "days": 14 of them}. Figures only.';
revoke all on function public.ops_report() from public, anon, authenticated, service_role;
grant execute on function public.ops_report() to service_role;

-- Asked every few seconds for the workers' metrics, where the whole report would be too dear.
create function public.ops_queue() returns jsonb
language sql stable
set search_path = ''
begin atomic
  select private.ops_queue();
end;
comment on function public.ops_queue() is
  'For the worker''s metrics: the queue as it is now, as in ops_report(). Figures only.';
revoke all on function public.ops_queue() from public, anon, authenticated, service_role;
grant execute on function public.ops_queue() to service_role;
