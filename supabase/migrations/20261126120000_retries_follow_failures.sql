-- A retry is a call after one that failed or was lost. Another version of an answer, or a question that was
-- stopped and asked again, took more calls without any trouble, and was counted as such.

create or replace function private.ops_period(span interval) returns jsonb
language sql stable
set search_path = ''
begin atomic
  with calls as (
    select l.*, coalesce(l.model_version, l.model_requested, 'unknown') as model
    from public.external_api_call_logs l
    where l.started_at > now() - span
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
      join public.external_api_call_logs before on before.message_id = c.message_id and before.attempt = c.attempt - 1
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

create or replace view analytics.retries
with (security_invoker = true)
as
select t.day, count(*) as replies, sum(t.calls) as calls,
  count(*) filter (where t.retries > 0) as replies_retried,
  sum(t.retries) as retries,
  max(t.calls) as most_calls
from (
  select c.message_id, min(c.day) as day, count(*) as calls, count(*) filter (where c.is_retry) as retries
  from (
    select message_id, day,
      lag(outcome) over (partition by message_id order by attempt) not in ('ok', 'cancelled') as is_retry
    from analytics.calls
  ) as c
  group by c.message_id
) as t
group by t.day;

comment on view analytics.retries is
  'How often a call followed one that failed or was lost, by the day of the reply''s first call: tried again by a worker, or by the user.';
