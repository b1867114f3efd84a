-- By day, model and user: what is used, what it costs, how long it takes, and what fails. All from the sums of days.

create view analytics.daily_use
with (security_invoker = true)
as
select day,
  coalesce(users.users, 0) as users,
  coalesce(asked.sessions, 0) as sessions,
  coalesce(asked.questions, 0) as questions,
  coalesce(asked.asked_again, 0) as asked_again,
  coalesce(asked.regenerated, 0) as regenerated,
  coalesce(asked.completed, 0) as completed,
  coalesce(asked.failed, 0) as failed,
  coalesce(asked.cancelled, 0) as cancelled,
  coalesce(called.calls, 0) as calls,
  coalesce(called.tokens, 0) as tokens,
  coalesce(called.cost_usd, 0) as cost_usd
from (
  select (r.starts_at at time zone 'UTC')::date as day,
    sum(r.sessions) as sessions,
    sum(r.replies) filter (where r.what = 'asked') as questions,
    sum(r.replies) filter (where r.what = 'asked_again') as asked_again,
    sum(r.replies) filter (where r.what = 'regenerated') as regenerated,
    sum(r.replies) filter (where r.what = 'completed') as completed,
    sum(r.replies) filter (where r.what = 'failed') as failed,
    sum(r.replies) filter (where r.what = 'cancelled') as cancelled
  from private.replies_by_span r
  where r.span = 'day'
  group by 1
) as asked
full join (
  select (c.starts_at at time zone 'UTC')::date as day,
    sum(c.calls) as calls, sum(c.tokens) as tokens, sum(c.cost_usd) as cost_usd
  from private.calls_by_span c
  where c.span = 'day'
  group by 1
) as called using (day)
left join (
  select u.day, count(distinct u.user_id) as users
  from private.use_by_user_and_day u
  where u.questions > 0
  group by u.day
) as users using (day);

comment on view analytics.daily_use is
  'Each day: who asked, what became of what was asked for on that day, and what the calls of that day used. What is deleted stays counted.';
comment on column analytics.daily_use.sessions is 'Chats in which a question was asked.';
comment on column analytics.daily_use.asked_again is 'Retries of a question that had failed or was stopped, by its author or the operator.';
comment on column analytics.daily_use.regenerated is 'Further versions of an answer that were asked for.';
comment on column analytics.daily_use.completed is 'Of what was asked for on that day: questions, asked_again and regenerated together.';

create view analytics.cost_by_day
with (security_invoker = true)
as
select (c.starts_at at time zone 'UTC')::date as day, sum(c.calls) as calls, sum(c.tokens) as tokens,
  sum(c.cost_usd) as cost_usd,
  sum(c.calls_with_estimated_cost) as calls_with_estimated_cost,
  sum(c.calls_without_price) as calls_without_price
from private.calls_by_span c
where c.span = 'day'
group by 1
having sum(c.calls) > 0;

comment on view analytics.cost_by_day is
  'Cost in US dollars each day, of the calls that have ended. Estimates are in the sum; calls without a price are counted, and are not.';
comment on column analytics.cost_by_day.calls_with_estimated_cost is 'The call ended before its use was told, or its price is a guess.';
comment on column analytics.cost_by_day.calls_without_price is 'Tokens were used, and nobody knows what they cost.';

create view analytics.cost_by_model
with (security_invoker = true)
as
select (c.starts_at at time zone 'UTC')::date as day, c.model, sum(c.calls) as calls, sum(c.tokens) as tokens,
  sum(c.cost_usd) as cost_usd,
  sum(c.calls_with_estimated_cost) as calls_with_estimated_cost,
  sum(c.calls_without_price) as calls_without_price
from private.calls_by_span c
where c.span = 'day'
group by 1, 2
having sum(c.calls) > 0;

comment on view analytics.cost_by_model is 'Cost in US dollars each day of each model that answered.';

create view analytics.cost_by_user
with (security_invoker = true)
as
select u.day, u.user_id, sum(u.calls) as calls, sum(u.tokens) as tokens, sum(u.cost_usd) as cost_usd,
  sum(u.calls_with_estimated_cost) as calls_with_estimated_cost,
  sum(u.calls_without_price) as calls_without_price
from private.use_by_user_and_day u
group by u.day, u.user_id
having sum(u.calls) > 0;

comment on view analytics.cost_by_user is 'Cost in US dollars each day of each user.';

create view analytics.latency_percentiles
with (security_invoker = true)
as
select day, model, calls,
  first_token_ms[1] as first_token_ms_p50,
  first_token_ms[2] as first_token_ms_p95,
  first_token_ms[3] as first_token_ms_p99,
  latency_ms[1] as latency_ms_p50,
  latency_ms[2] as latency_ms_p95,
  latency_ms[3] as latency_ms_p99
from (
  select (b.starts_at at time zone 'UTC')::date as day, b.model, sum(b.latency_calls)::bigint as calls,
    private.percentiles(array_agg(b.bucket), array_agg(b.first_token_calls)) as first_token_ms,
    private.percentiles(array_agg(b.bucket), array_agg(b.latency_calls)) as latency_ms
  from (
    select l.starts_at, l.model, l.bucket,
      sum(l.first_token_calls)::bigint as first_token_calls, sum(l.latency_calls)::bigint as latency_calls
    from private.latencies_by_span l
    where l.span = 'day'
    group by l.starts_at, l.model, l.bucket
  ) as b
  group by 1, 2
) as days
where calls > 0;

comment on view analytics.latency_percentiles is
  'Milliseconds from the request to the first text, and to the end, of the calls that answered; each day and model. To within 10 % from 50 ms to 9.5 minutes: they are counted in buckets.';

create view analytics.failure_causes
with (security_invoker = true)
as
select day, cause, sum(calls) as calls, sum(replies) as replies
from (
  select (c.starts_at at time zone 'UTC')::date as day, c.outcome as cause, c.calls, 0 as replies
  from private.calls_by_span c
  where c.span = 'day' and c.outcome not in ('ok', 'cancelled')
  union all
  select (r.starts_at at time zone 'UTC')::date, r.error_code, 0, r.replies
  from private.replies_by_span r
  where r.span = 'day' and r.what = 'failed'
) as failures
group by day, cause
having sum(calls) > 0 or sum(replies) > 0;

comment on view analytics.failure_causes is 'What failed each day, and why. Most failed calls are tried again, and fail no reply.';
comment on column analytics.failure_causes.cause is 'An error code, as in chat_replies; lost: a worker died, or lost its claim.';
comment on column analytics.failure_causes.calls is 'Calls to the model that failed.';
comment on column analytics.failure_causes.replies is 'Replies that failed, by the day on which they were asked for.';

-- A retry is a call after one that failed or was lost. Another version of an answer, or a question that was
-- stopped and asked again, took more calls without any trouble.
create view analytics.retries
with (security_invoker = true)
as
select (c.starts_at at time zone 'UTC')::date as day,
  sum(c.calls) - sum(c.retries) as replies,
  sum(c.calls) as calls,
  sum(c.replies_retried) as replies_retried,
  sum(c.retries) as retries
from private.calls_by_span c
where c.span = 'day'
group by 1
having sum(c.calls) > 0;

comment on view analytics.retries is
  'How often a call followed one that failed or was lost, each day: tried again by a worker, or by the user.';
comment on column analytics.retries.replies is 'Answers that were begun: calls that were no retry. Another version of an answer is one, too.';
comment on column analytics.retries.replies_retried is 'Of these, how many took a second call.';

revoke all on table analytics.daily_use, analytics.cost_by_day, analytics.cost_by_model, analytics.cost_by_user,
  analytics.latency_percentiles, analytics.failure_causes, analytics.retries
  from public, anon, authenticated, service_role;
