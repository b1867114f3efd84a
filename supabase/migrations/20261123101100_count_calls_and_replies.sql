-- What the figures are made of: sums by hour and by day, which stay as small as the number of days and models is,
-- however long the ledger grows, and which stay when a chat or a user is deleted.
--
-- Why they are not added up where a call ends: a user's command can close a call, too, and holds its locks for up to
-- eight seconds; a sum that it had updated would hold up everybody else's settles. So whoever closes a call or settles
-- a reply only appends an entry, in the same transaction and without any lock; the reconciler takes the entries
-- once a minute and adds them up, and nobody else ever writes a sum. Who reads adds what is not counted yet.
--
-- Entries are written by triggers on the rows themselves. A call that changes once more (lost, then closed again with
-- its tokens by its old worker) takes its old entry back and adds the new one: sums say what the ledger says.

create table private.uncounted_calls (
  started_at timestamptz not null,
  user_id uuid not null,
  model text not null,
  outcome text not null,
  calls bigint not null,
  retries bigint not null,
  replies_retried bigint not null,
  prompt_tokens bigint not null,
  cached_tokens bigint not null,
  candidate_tokens bigint not null,
  thought_tokens bigint not null,
  cost_usd numeric not null,
  calls_with_estimated_cost bigint not null,
  calls_without_price bigint not null,
  first_token_bucket integer,
  latency_bucket integer,
  asked_on date not null,
  tokens_debited bigint not null
)
-- Appended to and emptied once a minute.
with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

create index uncounted_calls_user_id_idx on private.uncounted_calls (user_id, asked_on);

create table private.uncounted_replies (
  pending_since timestamptz not null,
  user_id uuid not null,
  what text not null,
  error_code text not null default '',
  replies bigint not null default 1,
  sessions bigint not null default 0
)
with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

create table private.call_counts (
  span text not null,
  starts_at timestamptz not null,
  model text not null,
  outcome text not null,
  calls bigint not null,
  retries bigint not null,
  replies_retried bigint not null,
  prompt_tokens bigint not null,
  cached_tokens bigint not null,
  candidate_tokens bigint not null,
  thought_tokens bigint not null,
  cost_usd numeric not null,
  calls_with_estimated_cost bigint not null,
  calls_without_price bigint not null,
  first_token_calls bigint[],
  latency_calls bigint[],
  primary key (span, starts_at, model, outcome),
  constraint span_is_known check (span in ('hour', 'day'))
);

create table private.reply_counts (
  span text not null,
  starts_at timestamptz not null,
  what text not null,
  error_code text not null,
  replies bigint not null,
  sessions bigint not null,
  primary key (span, starts_at, what, error_code),
  constraint span_is_known check (span in ('hour', 'day'))
);

create table private.user_day_counts (
  day date not null,
  user_id uuid not null,
  questions bigint not null default 0,
  calls bigint not null default 0,
  tokens bigint not null default 0,
  cost_usd numeric not null default 0,
  calls_with_estimated_cost bigint not null default 0,
  calls_without_price bigint not null default 0,
  primary key (day, user_id)
);

create table private.usage_spent (
  day date not null,
  user_id uuid not null,
  tokens bigint not null,
  primary key (day, user_id)
);

comment on table private.uncounted_calls is
  'One entry for each call that was closed since the reconciler last looked; -1 takes back what a call was counted as before.';
comment on column private.uncounted_calls.asked_on is 'The user''s day on which the answer was asked for.';
comment on column private.uncounted_calls.tokens_debited is 'What it costs of the plan''s tokens.';
comment on index private.uncounted_calls_user_id_idx is 'What a user has spent on a day and is not counted yet.';
comment on table private.uncounted_replies is
  'One entry for each reply that was asked for or settled since the reconciler last looked.';
comment on column private.uncounted_replies.what is
  'asked, asked_again (a retry by its author or the operator), regenerated; then completed, failed or cancelled.';
comment on column private.uncounted_replies.pending_since is 'Since when it waits: what becomes of it counts where it was asked for.';
comment on column private.uncounted_replies.sessions is '1: the first question of its session on its day.';
comment on table private.call_counts is
  'Calls to the models by the hour (the last eight days) and by the day of UTC in which they began. Written by the reconciler alone.';
comment on column private.call_counts.first_token_calls is
  'How many calls had their first text within each bucket of duration_bucket; only of calls that answered.';
comment on column private.call_counts.latency_calls is 'The same for the whole call.';
comment on table private.reply_counts is
  'Replies by the hour (the last eight days) and by the day of UTC in which they were asked for. Written by the reconciler alone.';
comment on table private.usage_spent is
  'Tokens that each user has spent of their plan on each day of their time zone, for three days. Written by the reconciler alone.';
comment on table private.user_day_counts is 'What each user asked and used on each day of UTC; stays when the user is deleted.';

revoke all on table private.uncounted_calls, private.uncounted_replies, private.call_counts, private.reply_counts,
  private.user_day_counts, private.usage_spent from public, anon, authenticated, service_role;
alter table private.uncounted_calls enable row level security;
alter table private.uncounted_replies enable row level security;
alter table private.call_counts enable row level security;
alter table private.reply_counts enable row level security;
alter table private.user_day_counts enable row level security;
alter table private.usage_spent enable row level security;

-- 1: under 50 ms; each further one reaches 10 % higher; 100: from 9.5 minutes on.
create function private.duration_bucket(milliseconds integer) returns integer
language plpgsql immutable strict
set search_path = ''
as $$
begin
  return 1 + width_bucket(ln(greatest(milliseconds, 1)), ln(50.0), ln(50.0) + 98 * ln(1.1), 98);
end
$$;
comment on function private.duration_bucket(integer) is
  'The bucket of a duration: 1 is under 50 ms, each further one reaches 10 % higher, 100 has no end.';
revoke all on function private.duration_bucket(integer) from public, anon, authenticated, service_role;

-- Where its worker has not said: told by the provider, or what the reply has held until now. A call that was refused
-- before it began took none, as the ledger knows by its cost.
create function private.tokens_debited(call public.external_api_call_logs) returns bigint
language plpgsql stable
set search_path = ''
as $$
begin
  if call.prompt_tokens is not null then
    return call.prompt_tokens::bigint + coalesce(call.candidate_tokens, 0) + coalesce(call.thought_tokens, 0);
  end if;
  if private.cost_is_unknown(call) or call.cost_usd > 0 then
    return (select c.tokens_held_per_reply from public.chat_settings c);
  end if;
  return 0;
end
$$;
comment on function private.tokens_debited(public.external_api_call_logs) is
  'What a closed call costs of its user''s plan, in tokens, where its worker has not said.';
revoke all on function private.tokens_debited(public.external_api_call_logs) from public, anon, authenticated, service_role;

-- Noted once and kept, so that what is taken back later is what was added, whatever the operator sets meanwhile.
-- Of the calls for one answer that nobody has seen anything of (their workers died, or waited in vain), one is debited:
-- of each there is only an assumption, and four of them for each question would use up a day that nobody had.
create function private.debit_call() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  new.tokens_debited := coalesce(new.tokens_debited, private.tokens_debited(new));
  if new.tokens_debited > 0 and new.prompt_tokens is null and new.first_token_ms is null and exists (
    select from public.chat_replies r
    join public.external_api_call_logs other on other.message_id = r.message_id
    where r.message_id = new.message_id and least(new.started_at, other.started_at) >= r.pending_since
      and other.attempt <> new.attempt and other.tokens_debited > 0
      and other.prompt_tokens is null and other.first_token_ms is null)
  then
    new.tokens_debited := 0;
  end if;
  return new;
end
$$;
comment on function private.debit_call() is 'Notes what a call costs of its user''s plan, when it closes.';
revoke all on function private.debit_call() from public, anon, authenticated, service_role;

create trigger debit_call before insert or update of outcome on public.external_api_call_logs
  for each row when (new.outcome not in ('claimed', 'started')) execute function private.debit_call();

create function private.note_call(call public.external_api_call_logs, sign integer) returns void
language plpgsql
set search_path = ''
as $$
declare
  answered constant boolean := call.outcome = 'ok';
begin
  insert into private.uncounted_calls values (
    call.started_at, call.user_id, coalesce(call.model_version, call.model_requested, 'unknown'), call.outcome,
    sign,
    sign * (call.retry > 0)::integer,
    sign * (call.retry = 1)::integer,
    sign * coalesce(call.prompt_tokens, 0),
    sign * coalesce(call.cached_tokens, 0),
    sign * coalesce(call.candidate_tokens, 0),
    sign * coalesce(call.thought_tokens, 0),
    sign * coalesce(call.cost_usd, 0),
    sign * call.cost_is_estimated::integer,
    sign * private.cost_is_unknown(call)::integer,
    case when answered then private.duration_bucket(call.first_token_ms) end,
    case when answered then private.duration_bucket(call.latency_ms) end,
    call.asked_on,
    sign * coalesce(call.tokens_debited, 0));
end
$$;
comment on function private.note_call(public.external_api_call_logs, integer) is
  'Appends what a closed call counts as, or with -1 takes it back.';
revoke all on function private.note_call(public.external_api_call_logs, integer) from public, anon, authenticated, service_role;

-- Not when a row is deleted: the ledger may be shortened, and its figures stay.
create function private.count_call() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  if tg_op = 'UPDATE' and old.outcome not in ('claimed', 'started') then
    perform private.note_call(old, -1);
  end if;
  if new.outcome not in ('claimed', 'started') then
    perform private.note_call(new, 1);
  end if;
  return null;
end
$$;
comment on function private.count_call() is 'Keeps the entries in step with the ledger.';
revoke all on function private.count_call() from public, anon, authenticated, service_role;

create trigger count_call after insert on public.external_api_call_logs
  for each row when (new.outcome not in ('claimed', 'started')) execute function private.count_call();

-- Whose call it was may be changed without a trace of it here: that is how a user is taken out of the ledger.
create trigger count_changed_call after update of model_requested, model_version, prompt_tokens, cached_tokens,
  candidate_tokens, thought_tokens, cost_usd, cost_is_estimated, tokens_debited, first_token_ms, latency_ms, outcome,
  started_at
  on public.external_api_call_logs
  for each row when (
    (old.outcome not in ('claimed', 'started') or new.outcome not in ('claimed', 'started'))
    and old.* is distinct from new.*)
  execute function private.count_call();

create function private.count_reply() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  asks constant boolean := new.status = 'pending';
  is_question constant boolean := asks and tg_op = 'INSERT';
  turn_before timestamptz;
begin
  if is_question then
    select before.created_at into turn_before
    from public.chat_messages m
    join public.chat_messages before
      on before.session_id = m.session_id and before.role = 'user' and before.turn < m.turn
    where m.id = new.message_id
    order by before.turn desc
    limit 1;
  end if;
  insert into private.uncounted_replies (pending_since, user_id, what, error_code, sessions)
  values (
    new.pending_since, new.user_id,
    case
      when is_question then 'asked'
      when asks and new.version <> old.version then 'regenerated'
      when asks then 'asked_again'
      else new.status end,
    coalesce(new.error_code, ''),
    (is_question and (turn_before at time zone 'UTC')::date is distinct from (new.pending_since at time zone 'UTC')::date)
      ::integer);
  return null;
end
$$;
comment on function private.count_reply() is 'Appends an entry when a reply is asked for, and when it is settled.';
revoke all on function private.count_reply() from public, anon, authenticated, service_role;

create trigger count_opened_reply after insert on public.chat_replies
  for each row execute function private.count_reply();

create trigger count_reply after update of status on public.chat_replies
  for each row when (
    old.status is distinct from new.status
    and (new.status in ('completed', 'failed', 'cancelled') or old.status in ('completed', 'failed', 'cancelled')))
  execute function private.count_reply();
