-- By day, model and user: what is used, what it costs, how long it takes, and what fails.

create view analytics.daily_use
with (security_invoker = true)
as
select coalesce(asked.day, called.day) as day,
  coalesce(asked.users, 0) as users,
  coalesce(asked.sessions, 0) as sessions,
  coalesce(asked.questions, 0) as questions,
  coalesce(asked.completed, 0) as completed,
  coalesce(asked.failed, 0) as failed,
  coalesce(asked.cancelled, 0) as cancelled,
  coalesce(called.calls, 0) as calls,
  coalesce(called.tokens, 0) as tokens,
  coalesce(called.cost_usd, 0) as cost_usd
from (
  select (r.created_at at time zone 'UTC')::date as day,
    count(distinct r.user_id) as users, count(distinct r.session_id) as sessions, count(*) as questions,
    count(*) filter (where r.status = 'completed') as completed,
    count(*) filter (where r.status = 'failed') as failed,
    count(*) filter (where r.status = 'cancelled') as cancelled
  from public.chat_replies r
  group by 1
) as asked
full join (
  select c.day, count(*) as calls, sum(c.tokens) as tokens, sum(c.cost_usd) as cost_usd
  from analytics.calls c
  group by c.day
) as called on called.day = asked.day;

comment on view analytics.daily_use is
  'Each day: who asked, what became of the questions of that day, and what the calls of that day used. Deleted chats are left out of the questions, not of the calls.';

create view analytics.cost_by_day
with (security_invoker = true)
as
select c.day, count(*) as calls, sum(c.tokens) as tokens, sum(c.cost_usd) as cost_usd,
  count(*) filter (where c.cost_is_unknown) as calls_without_price
from analytics.calls c
group by c.day;

create view analytics.cost_by_model
with (security_invoker = true)
as
select c.day, c.model, count(*) as calls, sum(c.tokens) as tokens, sum(c.cost_usd) as cost_usd,
  count(*) filter (where c.cost_is_unknown) as calls_without_price
from analytics.calls c
group by c.day, c.model;

create view analytics.cost_by_user
with (security_invoker = true)
as
select c.day, c.user_id, count(*) as calls, sum(c.tokens) as tokens, sum(c.cost_usd) as cost_usd,
  count(*) filter (where c.cost_is_unknown) as calls_without_price
from analytics.calls c
group by c.day, c.user_id;

comment on view analytics.cost_by_day is 'Cost in US dollars each day. Calls without a price are counted, and are not in the sum.';
comment on view analytics.cost_by_model is 'Cost in US dollars each day of each model that answered.';
comment on view analytics.cost_by_user is 'Cost in US dollars each day of each user.';

create view analytics.latency_percentiles
with (security_invoker = true)
as
select c.day, c.model, count(*) as calls,
  percentile_cont(0.5) within group (order by c.first_token_ms) as first_token_ms_p50,
  percentile_cont(0.95) within group (order by c.first_token_ms) as first_token_ms_p95,
  percentile_cont(0.99) within group (order by c.first_token_ms) as first_token_ms_p99,
  percentile_cont(0.5) within group (order by c.latency_ms) as latency_ms_p50,
  percentile_cont(0.95) within group (order by c.latency_ms) as latency_ms_p95,
  percentile_cont(0.99) within group (order by c.latency_ms) as latency_ms_p99
from analytics.calls c
where c.outcome = 'ok'
group by c.day, c.model;

comment on view analytics.latency_percentiles is
  'Milliseconds from the request to the first text, and to the end, of the calls that answered; each day and model.';

create view analytics.failure_causes
with (security_invoker = true)
as
select day, cause, sum(calls) as calls, sum(replies) as replies
from (
  select c.day, c.outcome as cause, 1 as calls, 0 as replies
  from analytics.calls c
  where c.outcome not in ('started', 'ok', 'cancelled')
  union all
  select (r.finished_at at time zone 'UTC')::date, r.error_code, 0, 1
  from public.chat_replies r
  where r.status = 'failed'
) as failures
group by day, cause;

comment on view analytics.failure_causes is 'What failed each day, and why. Most failed calls are tried again, and fail no reply.';
comment on column analytics.failure_causes.cause is 'An error code of the README''s list; lost: a worker died, or lost its claim.';
comment on column analytics.failure_causes.calls is 'Calls to the model that failed.';
comment on column analytics.failure_causes.replies is 'Replies that ended as failed and are so still.';

-- A retry is a call after one that failed or was lost. Another version of an answer, or a question that was
-- stopped and asked again, took more calls without any trouble.
create view analytics.retries
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

revoke all on table analytics.daily_use, analytics.cost_by_day, analytics.cost_by_model, analytics.cost_by_user,
  analytics.latency_percentiles, analytics.failure_causes, analytics.retries
  from public, anon, authenticated, service_role;
