-- The operator's page in one call: figures, no content, nobody's address.

-- The report looks at the last days; the ledger has an index for that, and this is all that the replies need.
create index chat_replies_created_at_idx on public.chat_replies using brin (created_at);

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

create function private.ops_period(span interval) returns jsonb
language sql stable
set search_path = ''
begin atomic
  with calls as (
    select l.*, coalesce(l.model_version, l.model_requested, 'unknown') as model
    from public.external_api_call_logs l
    where l.started_at > now() - span and l.outcome <> 'claimed'
  ), replies as (
    select r.status, r.error_code from public.chat_replies r where r.created_at > now() - span
  )
  select jsonb_build_object(
    'hours', extract(epoch from span)::integer / 3600,
    'replies', (select coalesce(jsonb_object_agg(s.status, s.count), '{}')
      from (select status, count(*) from replies group by status) as s),
    'failures', (select coalesce(jsonb_object_agg(f.error_code, f.count), '{}')
      from (select error_code, count(*) from replies where error_code is not null group by error_code) as f),
    'calls', (select coalesce(jsonb_object_agg(o.outcome, o.count), '{}')
      from (select outcome, count(*) from calls group by outcome) as o),
    'retries', (select count(*)
      from calls c
      cross join lateral (
        select b.outcome from public.external_api_call_logs b
        where b.message_id = c.message_id and b.attempt < c.attempt and b.outcome <> 'claimed'
        order by b.attempt desc limit 1) as before
      where before.outcome not in ('ok', 'cancelled')),
    'models', (select coalesce(jsonb_agg(to_jsonb(m) order by m.calls desc), '[]') from (
      select model, count(*) as calls,
        sum(coalesce(prompt_tokens, 0) + coalesce(candidate_tokens, 0) + coalesce(thought_tokens, 0)) as tokens,
        coalesce(sum(cost_usd), 0) as cost_usd,
        count(*) filter (where prompt_tokens is not null and cost_usd is null) as calls_without_price,
        percentile_disc(array[0.5, 0.95, 0.99]) within group (order by first_token_ms)
          filter (where outcome = 'ok') as first_token_ms,
        percentile_disc(array[0.5, 0.95, 0.99]) within group (order by latency_ms)
          filter (where outcome = 'ok') as latency_ms
      from calls group by model) as m));
end;

create function private.ops_days(days integer) returns jsonb
language sql stable
set search_path = ''
begin atomic
  select coalesce(jsonb_agg(to_jsonb(d) order by d.day, d.model), '[]')
  from (
    select (l.started_at at time zone 'UTC')::date as day,
      coalesce(l.model_version, l.model_requested, 'unknown') as model,
      count(*) as calls,
      sum(coalesce(l.prompt_tokens, 0) + coalesce(l.candidate_tokens, 0) + coalesce(l.thought_tokens, 0)) as tokens,
      coalesce(sum(l.cost_usd), 0) as cost_usd,
      count(*) filter (where l.prompt_tokens is not null and l.cost_usd is null) as calls_without_price
    from public.external_api_call_logs l
    where l.started_at >= (date_trunc('day', now() at time zone 'UTC') - make_interval(days => days - 1))
      at time zone 'UTC' and l.outcome <> 'claimed'
    group by 1, 2
  ) as d;
end;

create function private.ops_report() returns jsonb
language sql stable security definer
set search_path = ''
begin atomic
  select jsonb_build_object(
    'at', now(),
    'queue', private.ops_queue(),
    'workers', private.ops_workers(),
    'periods', jsonb_build_array(private.ops_period('24 hours'), private.ops_period('7 days')),
    'days', private.ops_days(14));
end;

create function public.ops_report() returns jsonb
language sql stable
set search_path = ''
begin atomic
  select private.ops_report();
end;

-- Asked every few seconds for the workers' metrics, where the whole report would be too dear.
create function public.ops_queue() returns jsonb
language sql stable
set search_path = ''
begin atomic
  select private.ops_queue();
end;

comment on function private.ops_queue() is
  'The queue as it is now. Overdue: due, and no worker has claimed it yet. Oldest: since it became its chat''s next.';
comment on function private.ops_workers() is 'The workers that live, or were heard of lately.';
comment on function private.ops_period(interval) is 'Replies asked for and calls begun within the last span; latencies as [p50, p95, p99].';
comment on function private.ops_days(integer) is 'Calls, tokens and cost of each day of UTC and model, today included.';
comment on function public.ops_report() is
  'For the operator''s page: {"at", "queue", "workers", "periods": the last 24 hours and 7 days, "days": 14 of them}. Figures only.';

comment on function public.ops_queue() is
  'For the worker''s metrics: the queue as it is now, as in ops_report(). Figures only.';

revoke all on function private.ops_workers() from public, anon, authenticated, service_role;
revoke all on function public.ops_queue() from public, anon, authenticated, service_role;
grant execute on function public.ops_queue() to service_role;
revoke all on function private.ops_queue() from public, anon, authenticated, service_role;
revoke all on function private.ops_period(interval) from public, anon, authenticated, service_role;
revoke all on function private.ops_days(integer) from public, anon, authenticated, service_role;
revoke all on function private.ops_report() from public, anon, authenticated, service_role;
revoke all on function public.ops_report() from public, anon, authenticated, service_role;
grant execute on function private.ops_queue() to service_role;
grant execute on function private.ops_report() to service_role;
grant execute on function public.ops_report() to service_role;
