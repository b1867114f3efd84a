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

-- What a call used, whatever became of it: the one place that says what its tokens are, and its day.
create view analytics.calls
with (security_invoker = true)
as
select l.message_id, l.attempt, l.session_id, l.user_id,
  (l.started_at at time zone 'UTC')::date as day,
  coalesce(l.model_version, l.model_requested, 'unknown') as model,
  l.outcome,
  l.prompt_tokens, l.cached_tokens, l.candidate_tokens, l.thought_tokens,
  coalesce(l.prompt_tokens, 0) + coalesce(l.candidate_tokens, 0) + coalesce(l.thought_tokens, 0) as tokens,
  l.cost_usd,
  -- Tokens that were paid for at a price nobody told us.
  l.prompt_tokens is not null and l.cost_usd is null as cost_is_unknown,
  l.first_token_ms, l.latency_ms, l.started_at, l.finished_at
from public.external_api_call_logs l
where l.outcome <> 'claimed';

comment on view analytics.calls is 'The ledger, with the day, the model and the tokens of each call as the other views count them.';
comment on column analytics.calls.model is 'The model that answered; where none did, the one that was asked.';
comment on column analytics.calls.tokens is 'Prompt, answer and thoughts together.';
comment on column analytics.calls.cost_is_unknown is 'Tokens were used, and there is no price for that model.';

create view analytics.messages_per_session
with (security_invoker = true)
as
select s.id as session_id, s.user_id, s.status,
  count(m.id) filter (where m.role = 'user') as questions,
  -- Several versions of one answer count once.
  count(distinct m.reply_to) as answers,
  count(m.id) filter (where m.role = 'user') + count(distinct m.reply_to) as messages
from public.chat_sessions s
left join public.chat_messages m on m.session_id = s.id
group by s.id;

comment on view analytics.messages_per_session is 'Messages of each chat session that is still there; several versions of one answer count once.';

create view analytics.session_duration
with (security_invoker = true)
as
select m.session_id, min(m.created_at) as first_message_at, max(m.created_at) as last_message_at,
  max(m.created_at) - min(m.created_at) as duration
from public.chat_messages m
group by m.session_id;

comment on view analytics.session_duration is 'From the first to the last message of each chat session that has any.';

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

comment on view analytics.session_averages is 'One row: averages and medians over the chat sessions with at least one message.';

create view analytics.tokens_per_message
with (security_invoker = true)
as
select c.message_id, c.session_id, c.user_id, min(c.day) as day,
  count(*) as calls,
  sum(c.prompt_tokens) as prompt_tokens,
  sum(c.cached_tokens) as cached_tokens,
  sum(c.candidate_tokens) as candidate_tokens,
  sum(c.thought_tokens) as thought_tokens,
  sum(c.tokens) as tokens,
  sum(c.cost_usd) as cost_usd
from analytics.calls c
group by c.message_id, c.session_id, c.user_id;

comment on view analytics.tokens_per_message is 'What answering each question took, all of its calls together; also of chats that were deleted since.';
comment on column analytics.tokens_per_message.message_id is 'The question.';
comment on column analytics.tokens_per_message.day is 'Of the first call.';

revoke all on table analytics.calls, analytics.messages_per_session, analytics.session_duration,
  analytics.session_averages, analytics.tokens_per_message
  from public, anon, authenticated, service_role;
