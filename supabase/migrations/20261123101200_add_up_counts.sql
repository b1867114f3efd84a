-- From entries to sums, and how both are read together.

-- By bucket. Counts that are taken back have a minus.
create function private.counts_by_bucket(buckets integer[], calls bigint[]) returns bigint[]
language plpgsql immutable strict
set search_path = ''
as $$
begin
  return (
    select array_agg(coalesce(found.calls, 0) order by every.bucket)
    from generate_series(1, 100) as every (bucket)
    left join (
      select u.bucket, sum(u.calls)::bigint as calls from unnest(buckets, calls) as u (bucket, calls) group by u.bucket
    ) as found using (bucket));
end
$$;
comment on function private.counts_by_bucket(integer[], bigint[]) is 'How many calls are in each of the 100 buckets.';
revoke all on function private.counts_by_bucket(integer[], bigint[]) from public, anon, authenticated, service_role;

create function private.add_counts(one bigint[], other bigint[]) returns bigint[]
language plpgsql immutable
set search_path = ''
as $$
begin
  if one is null or other is null then
    return coalesce(one, other);
  end if;
  return (
    select array_agg(u.one + u.other order by u.bucket) from unnest(one, other) with ordinality as u (one, other, bucket));
end
$$;
comment on function private.add_counts(bigint[], bigint[]) is 'Two counts by bucket, added up; one of them may be null.';
revoke all on function private.add_counts(bigint[], bigint[]) from public, anon, authenticated, service_role;

-- Inside a bucket its calls are taken to be spread evenly. What is told is at most one bucket away from what was: 10 %
-- from 50 ms to 9.5 minutes.
create function private.percentiles(buckets integer[], calls bigint[]) returns integer[]
language plpgsql immutable strict
set search_path = ''
as $$
begin
  return (
    with counted as (
      select case when u.bucket = 1 then 0 else 50 * 1.1 ^ (u.bucket - 2) end as starts_at,
        50 * 1.1 ^ (u.bucket - 1) as ends_at,
        u.calls,
        sum(u.calls) over (order by u.bucket) as up_to_here,
        sum(u.calls) over () as total
      from unnest(buckets, calls) as u (bucket, calls)
      where u.calls > 0
    )
    select array_agg((
      select round(c.ends_at - (c.ends_at - c.starts_at) * (c.up_to_here - share * c.total) / c.calls)::integer
      from counted c
      where c.up_to_here >= share * c.total
      order by c.up_to_here
      limit 1) order by share)
    from unnest(array[0.5, 0.95, 0.99]) as share);
end
$$;
comment on function private.percentiles(integer[], bigint[]) is
  '[p50, p95, p99] in milliseconds of the calls in these buckets, each named once, to within 10 %; null where there are none.';
revoke all on function private.percentiles(integer[], bigint[]) from public, anon, authenticated, service_role;

create function private.oldest_hour() returns timestamptz
language sql stable
set search_path = ''
return now() - interval '8 days';
comment on function private.oldest_hour() is
  'Sums by the hour are kept from here on: a report looks back a week. What began earlier is counted by the day alone.';
revoke all on function private.oldest_hour() from public, anon, authenticated, service_role;

create function private.count_up_calls(most integer) returns void
language sql
set search_path = ''
begin atomic
  with taken as (
    delete from private.uncounted_calls u
    where u.ctid = any (array(select free.ctid from private.uncounted_calls free limit most for update skip locked))
    returning u.*
  ), by_span as (
    insert into private.call_counts as c
    select s.span, s.starts_at, t.model, t.outcome,
      sum(t.calls), sum(t.retries), sum(t.replies_retried),
      sum(t.prompt_tokens), sum(t.cached_tokens), sum(t.candidate_tokens), sum(t.thought_tokens),
      sum(t.cost_usd), sum(t.calls_with_estimated_cost), sum(t.calls_without_price),
      private.counts_by_bucket(
        array_agg(t.first_token_bucket) filter (where t.first_token_bucket is not null),
        array_agg(t.calls) filter (where t.first_token_bucket is not null)),
      private.counts_by_bucket(
        array_agg(t.latency_bucket) filter (where t.latency_bucket is not null),
        array_agg(t.calls) filter (where t.latency_bucket is not null))
    from taken t
    cross join lateral (values
      ('hour', date_trunc('hour', t.started_at, 'UTC')), ('day', date_trunc('day', t.started_at, 'UTC'))
    ) as s (span, starts_at)
    where s.span = 'day' or s.starts_at > private.oldest_hour()
    group by 1, 2, 3, 4
    on conflict (span, starts_at, model, outcome) do update
    set calls = c.calls + excluded.calls,
      retries = c.retries + excluded.retries,
      replies_retried = c.replies_retried + excluded.replies_retried,
      prompt_tokens = c.prompt_tokens + excluded.prompt_tokens,
      cached_tokens = c.cached_tokens + excluded.cached_tokens,
      candidate_tokens = c.candidate_tokens + excluded.candidate_tokens,
      thought_tokens = c.thought_tokens + excluded.thought_tokens,
      cost_usd = c.cost_usd + excluded.cost_usd,
      calls_with_estimated_cost = c.calls_with_estimated_cost + excluded.calls_with_estimated_cost,
      calls_without_price = c.calls_without_price + excluded.calls_without_price,
      first_token_calls = private.add_counts(c.first_token_calls, excluded.first_token_calls),
      latency_calls = private.add_counts(c.latency_calls, excluded.latency_calls)
  ), by_day_of_asking as (
    insert into private.usage_spent as s (day, user_id, tokens)
    select t.asked_on, t.user_id, sum(t.tokens_debited)
    from taken t
    group by 1, 2
    on conflict (day, user_id) do update set tokens = s.tokens + excluded.tokens
  )
  insert into private.user_day_counts as d
    (day, user_id, calls, tokens, cost_usd, calls_with_estimated_cost, calls_without_price)
  select (t.started_at at time zone 'UTC')::date, t.user_id, sum(t.calls),
    sum(t.prompt_tokens + t.candidate_tokens + t.thought_tokens), sum(t.cost_usd),
    sum(t.calls_with_estimated_cost), sum(t.calls_without_price)
  from taken t
  group by 1, 2
  on conflict (day, user_id) do update
  set calls = d.calls + excluded.calls, tokens = d.tokens + excluded.tokens, cost_usd = d.cost_usd + excluded.cost_usd,
    calls_with_estimated_cost = d.calls_with_estimated_cost + excluded.calls_with_estimated_cost,
    calls_without_price = d.calls_without_price + excluded.calls_without_price;
end;
comment on function private.count_up_calls(integer) is 'Adds entries of calls to their sums.';
revoke all on function private.count_up_calls(integer) from public, anon, authenticated, service_role;

create function private.count_up_replies(most integer) returns void
language sql
set search_path = ''
begin atomic
  with taken as (
    delete from private.uncounted_replies u
    where u.ctid = any (array(select free.ctid from private.uncounted_replies free limit most for update skip locked))
    returning u.*
  ), by_span as (
    insert into private.reply_counts as c
    select s.span, s.starts_at, t.what, t.error_code, sum(t.replies), sum(t.sessions)
    from taken t
    cross join lateral (values
      ('hour', date_trunc('hour', t.pending_since, 'UTC')), ('day', date_trunc('day', t.pending_since, 'UTC'))
    ) as s (span, starts_at)
    where s.span = 'day' or s.starts_at > private.oldest_hour()
    group by 1, 2, 3, 4
    on conflict (span, starts_at, what, error_code) do update
    set replies = c.replies + excluded.replies, sessions = c.sessions + excluded.sessions
  )
  insert into private.user_day_counts as d (day, user_id, questions)
  select (t.pending_since at time zone 'UTC')::date, t.user_id, sum(t.replies)
  from taken t
  where t.what = 'asked'
  group by 1, 2
  on conflict (day, user_id) do update set questions = d.questions + excluded.questions;
end;
comment on function private.count_up_replies(integer) is 'Adds entries of replies to their sums.';
revoke all on function private.count_up_replies(integer) from public, anon, authenticated, service_role;

-- For the reconciler, which one at a time holds. Nobody else writes sums; where an operator has locked one by hand, it
-- is not waited for: the entries stay for the next time, and are in the figures all the same.
create function private.count_up(most integer default 50000) returns void
language plpgsql
set search_path = ''
as $$
begin
  lock table private.call_counts, private.reply_counts, private.user_day_counts, private.usage_spent
    in exclusive mode nowait;
  perform private.count_up_calls(most);
  perform private.count_up_replies(most);
  delete from private.call_counts c where c.span = 'hour' and c.starts_at <= private.oldest_hour();
  delete from private.reply_counts c where c.span = 'hour' and c.starts_at <= private.oldest_hour();
  delete from private.usage_spent s where s.day < (now() at time zone 'UTC')::date - 3;
exception when others then
  if not private.is_passing(sqlstate) then
    perform private.count_set_aside();
  end if;
end
$$;
comment on function private.count_up(integer) is
  'Adds entries to their sums, so many of each kind at most, and forgets hours of more than eight days ago, and what was spent more than three days ago.';
revoke all on function private.count_up(integer) from public, anon, authenticated, service_role;

create view private.calls_by_span
with (security_invoker = true)
as
select c.span, c.starts_at, c.model, c.outcome, c.calls, c.retries, c.replies_retried,
  c.prompt_tokens, c.cached_tokens, c.candidate_tokens, c.thought_tokens,
  c.prompt_tokens + c.candidate_tokens + c.thought_tokens as tokens,
  c.cost_usd, c.calls_with_estimated_cost, c.calls_without_price
from private.call_counts c
union all
select s.span, s.starts_at, u.model, u.outcome, u.calls, u.retries, u.replies_retried,
  u.prompt_tokens, u.cached_tokens, u.candidate_tokens, u.thought_tokens,
  u.prompt_tokens + u.candidate_tokens + u.thought_tokens,
  u.cost_usd, u.calls_with_estimated_cost, u.calls_without_price
from private.uncounted_calls u
cross join lateral (values
  ('hour', date_trunc('hour', u.started_at, 'UTC')), ('day', date_trunc('day', u.started_at, 'UTC'))
) as s (span, starts_at);

comment on view private.calls_by_span is 'call_counts, with what is not counted yet: add up.';

-- Of the calls that answered.
create view private.latencies_by_span
with (security_invoker = true)
as
select c.span, c.starts_at, c.model, b.bucket::integer as bucket, b.first_token_calls, b.latency_calls
from private.call_counts c
cross join lateral unnest(c.first_token_calls, c.latency_calls)
  with ordinality as b (first_token_calls, latency_calls, bucket)
where c.outcome = 'ok' and (b.first_token_calls <> 0 or b.latency_calls <> 0)
union all
select s.span, s.starts_at, u.model, b.bucket, b.first_token_calls, b.latency_calls
from private.uncounted_calls u
cross join lateral (values
  ('hour', date_trunc('hour', u.started_at, 'UTC')), ('day', date_trunc('day', u.started_at, 'UTC'))
) as s (span, starts_at)
cross join lateral (values (u.first_token_bucket, u.calls, 0), (u.latency_bucket, 0, u.calls))
  as b (bucket, first_token_calls, latency_calls)
where u.outcome = 'ok' and b.bucket is not null;

comment on view private.latencies_by_span is 'How many calls were in each bucket of duration_bucket: add up.';

create view private.replies_by_span
with (security_invoker = true)
as
select c.span, c.starts_at, c.what, c.error_code, c.replies, c.sessions
from private.reply_counts c
union all
select s.span, s.starts_at, u.what, u.error_code, u.replies, u.sessions
from private.uncounted_replies u
cross join lateral (values
  ('hour', date_trunc('hour', u.pending_since, 'UTC')), ('day', date_trunc('day', u.pending_since, 'UTC'))
) as s (span, starts_at);

comment on view private.replies_by_span is 'reply_counts, with what is not counted yet: add up.';

create view private.use_by_user_and_day
with (security_invoker = true)
as
select d.day, d.user_id, d.questions, d.calls, d.tokens, d.cost_usd, d.calls_with_estimated_cost, d.calls_without_price
from private.user_day_counts d
union all
select (u.started_at at time zone 'UTC')::date, u.user_id, 0, u.calls,
  u.prompt_tokens + u.candidate_tokens + u.thought_tokens, u.cost_usd,
  u.calls_with_estimated_cost, u.calls_without_price
from private.uncounted_calls u
union all
select (u.pending_since at time zone 'UTC')::date, u.user_id, u.replies, 0, 0, 0, 0, 0
from private.uncounted_replies u
where u.what = 'asked';

comment on view private.use_by_user_and_day is 'user_day_counts, with what is not counted yet: add up.';

revoke all on table private.calls_by_span, private.latencies_by_span, private.replies_by_span,
  private.use_by_user_and_day from public, anon, authenticated, service_role;
