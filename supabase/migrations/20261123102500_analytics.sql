-- Figures for the operator, read in the dashboard's SQL editor. The API does not expose this schema, and nobody
-- but its owner may look into it. A schema of that name that is there already is shared, and left as it is.

do $$
begin
  if to_regnamespace('analytics') is null then
    create schema analytics;
    revoke all on schema analytics from public, anon, authenticated, service_role;
    comment on schema analytics is 'PostBro Chat: use, cost, latency and failures. Days are days of UTC. Not for the API.';
  end if;
end
$$;

-- Sums come from what the reconciler has added up (private.calls_by_span and its like), so that they cost the same
-- however long the ledger is. What lists single calls, questions or chats lists the newest, so many and no more: for
-- others, ask public.external_api_call_logs by message_id or started_at, which have an index.

create index chat_sessions_updated_at_idx on public.chat_sessions (updated_at desc);
comment on index public.chat_sessions_updated_at_idx is 'The chats that were written in last: analytics.recent_sessions.';

create view analytics.calls
with (security_invoker = true)
as
select l.message_id, l.attempt, l.session_id, l.user_id,
  (l.started_at at time zone 'UTC')::date as day,
  coalesce(l.model_version, l.model_requested, 'unknown') as model,
  l.outcome, l.retry,
  l.prompt_tokens, l.cached_tokens, l.candidate_tokens, l.thought_tokens,
  coalesce(l.prompt_tokens, 0) + coalesce(l.candidate_tokens, 0) + coalesce(l.thought_tokens, 0) as tokens,
  l.cost_usd, l.cost_is_estimated, private.cost_is_unknown(l) as cost_is_unknown,
  l.first_token_ms, l.latency_ms, l.started_at, l.finished_at
from public.external_api_call_logs l
where l.outcome <> 'claimed'
order by l.started_at desc
limit 1000;

comment on view analytics.calls is
  'The newest 1,000 calls of the ledger, also those under way, with the day, the model and the tokens of each as the other views count them.';
comment on column analytics.calls.model is 'The model that answered; where none did, the one that was asked.';
comment on column analytics.calls.tokens is 'Prompt, answer and thoughts together.';
comment on column analytics.calls.cost_is_estimated is 'cost_usd is an estimate.';
comment on column analytics.calls.cost_is_unknown is 'Tokens were used, and nobody knows what they cost.';

create view analytics.recent_sessions
with (security_invoker = true)
as
select s.id as session_id, s.user_id, s.status, s.created_at, s.updated_at
from public.chat_sessions s
order by s.updated_at desc
limit 200;

comment on view analytics.recent_sessions is 'The 200 chat sessions that were written in last.';

create view analytics.messages_per_session
with (security_invoker = true)
as
select s.session_id, s.user_id, s.status, m.questions, m.answers, m.questions + m.answers as messages
from analytics.recent_sessions s
cross join lateral (
  select count(*) filter (where m.role = 'user') as questions,
    -- Several versions of one answer count once.
    count(distinct m.reply_to) as answers
  from public.chat_messages m
  where m.session_id = s.session_id
) as m;

comment on view analytics.messages_per_session is
  'Messages of each of the 200 chat sessions that were written in last; several versions of one answer count once.';

create view analytics.session_duration
with (security_invoker = true)
as
select s.session_id, m.first_message_at, m.last_message_at, m.last_message_at - m.first_message_at as duration
from analytics.recent_sessions s
cross join lateral (
  select min(m.created_at) as first_message_at, max(m.created_at) as last_message_at
  from public.chat_messages m
  where m.session_id = s.session_id
) as m
where m.first_message_at is not null;

comment on view analytics.session_duration is
  'From the first to the last message of the 200 chat sessions that were written in last, as far as they have any.';

create view analytics.session_averages
with (security_invoker = true)
as
select count(*) as sessions,
  coalesce(sum(p.messages), 0) as messages,
  round(avg(p.messages), 1) as messages_per_session,
  percentile_cont(0.5) within group (order by p.messages) as median_messages,
  avg(d.duration) as average_duration,
  percentile_cont(0.5) within group (order by d.duration) as median_duration
from analytics.messages_per_session p
join analytics.session_duration d using (session_id);

comment on view analytics.session_averages is
  'One row: averages and medians over the 200 chat sessions that were written in last, as far as they have a message.';

create view analytics.tokens_per_message
with (security_invoker = true)
as
select l.message_id, l.session_id, l.user_id, min((l.started_at at time zone 'UTC')::date) as day,
  count(*) as calls,
  sum(l.prompt_tokens) as prompt_tokens,
  sum(l.cached_tokens) as cached_tokens,
  sum(l.candidate_tokens) as candidate_tokens,
  sum(l.thought_tokens) as thought_tokens,
  sum(coalesce(l.prompt_tokens, 0) + coalesce(l.candidate_tokens, 0) + coalesce(l.thought_tokens, 0)) as tokens,
  sum(l.cost_usd) as cost_usd
from (select distinct c.message_id from analytics.calls c) as newest
join lateral (
  -- A limit, so that each question is looked up by the key and the whole ledger is never read.
  select * from public.external_api_call_logs of_message
  where of_message.message_id = newest.message_id and of_message.outcome <> 'claimed'
  order by of_message.attempt
  limit 1000
) as l on true
group by l.message_id, l.session_id, l.user_id;

comment on view analytics.tokens_per_message is
  'What answering each question took, all of its calls together, for the questions of the newest 1,000 calls; also of chats that were deleted since.';
comment on column analytics.tokens_per_message.message_id is 'The question.';
comment on column analytics.tokens_per_message.day is 'Of the first call.';

revoke all on table analytics.calls, analytics.recent_sessions, analytics.messages_per_session,
  analytics.session_duration, analytics.session_averages, analytics.tokens_per_message
  from public, anon, authenticated, service_role;
