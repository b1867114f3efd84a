-- The ledger: one row for each call to the model, whatever became of it. A reply that is claimed has its row
-- beforehand, so that no call can be made without one; a claim that made no call takes it away again.

create table public.external_api_call_logs (
  message_id uuid not null,
  attempt integer not null,
  session_id uuid not null,
  user_id uuid not null,
  worker_id uuid not null,
  model_requested text,
  model_version text,
  endpoint text,
  prompt_version text,
  prompt_tokens integer,
  cached_tokens integer,
  candidate_tokens integer,
  thought_tokens integer,
  cost_usd numeric(14, 8),
  cost_is_estimated boolean not null default false,
  tokens_debited integer,
  first_token_ms integer,
  latency_ms integer,
  outcome text not null default 'claimed',
  retry integer not null default 0,
  started_at timestamptz not null default now(),
  finished_at timestamptz,
  asked_on date not null default (now() at time zone 'UTC')::date,
  primary key (message_id, attempt),
  constraint cost_is_not_negative check (cost_usd >= 0),
  constraint outcome_is_known
    check (outcome in ('claimed', 'started', 'ok', 'cancelled', 'lost') or private.is_error_code(outcome))
);

create index external_api_call_logs_started_at_idx on public.external_api_call_logs (started_at);
comment on index public.external_api_call_logs_started_at_idx is
  'The newest calls: analytics.calls, the saved queries, and the pace of the last minute (refuse_questions).';

comment on table public.external_api_call_logs is
  'The ledger: one row per call to the model, also of failed, cancelled and lost ones. Its ids are plain values: deleting a chat does not delete its cost.';
comment on column public.external_api_call_logs.message_id is 'The question.';
comment on column public.external_api_call_logs.model_requested is 'The model that was asked.';
comment on column public.external_api_call_logs.model_version is 'The model that answered, by its own word: the price goes by it.';
comment on column public.external_api_call_logs.endpoint is 'The method of the provider''s API.';
comment on column public.external_api_call_logs.prompt_version is 'The version of the prompt template.';
comment on column public.external_api_call_logs.prompt_tokens is 'Tokens of the prompt, the cached ones included.';
comment on column public.external_api_call_logs.cached_tokens is 'Those of the prompt that the provider''s cache held.';
comment on column public.external_api_call_logs.candidate_tokens is 'Tokens of the answer.';
comment on column public.external_api_call_logs.thought_tokens is 'Tokens of the model''s thinking, billed as output.';
comment on column public.external_api_call_logs.cost_usd is 'US dollars; empty where no price is known, or nobody told what was used.';
comment on column public.external_api_call_logs.cost_is_estimated is 'The call ended before its use was told, or its price is a guess: cost_usd is an estimate.';
comment on column public.external_api_call_logs.tokens_debited is
  'What it costs of its user''s plan: as told, else as its worker estimates it, else as debit_call says; empty while it is open.';
comment on column public.external_api_call_logs.first_token_ms is 'Milliseconds from the request to the first text.';
comment on column public.external_api_call_logs.latency_ms is 'Milliseconds from the request to the end of the call.';
comment on column public.external_api_call_logs.outcome is
  'claimed: no call yet, and in no figure; started; ok; cancelled; lost: the worker died or lost its claim, the answer was not used; else an error code.';
comment on column public.external_api_call_logs.retry is
  '0: not a retry; else how many calls of this question have failed or were lost one after another before it.';

comment on column public.external_api_call_logs.asked_on is
  'The day, in the user''s time zone, on which the answer was asked for: its tokens are spent of the plan of that day.';

-- A call that a model refused before it began costs nothing; any other took tokens, whatever became of it.
create function private.cost_is_unknown(call public.external_api_call_logs) returns boolean
language plpgsql immutable
set search_path = ''
as $$
begin
  return call.cost_usd is null and call.model_requested is not null
    and call.outcome not in ('claimed', 'started')
    and (call.prompt_tokens is not null or call.first_token_ms is not null
      or call.outcome not in ('rate_limited', 'model_overloaded', 'model_unavailable', 'prompt_too_long'));
end
$$;
comment on function private.cost_is_unknown(public.external_api_call_logs) is
  'Tokens were used, and nobody knows what they cost.';
revoke all on function private.cost_is_unknown(public.external_api_call_logs) from public, anon, authenticated, service_role;

revoke all on table public.external_api_call_logs from public, anon, authenticated, service_role;
grant select on table public.external_api_call_logs to service_role;
-- No policies: users have no business here, and the service passes row-level security.
alter table public.external_api_call_logs enable row level security;

-- How rows of the ledger are opened and closed: never by hand, never twice.

-- By what is known when the call is opened, and never changed afterwards: it is a retry after one that failed or was
-- lost. Another version of an answer, or a question that was stopped and asked again, is none.
create function private.retry_number(of_message uuid, before_attempt integer) returns integer
language plpgsql stable
set search_path = ''
as $$
begin
  if before_attempt <= 1 then
    return 0; -- most calls: nothing to look for
  end if;
  return coalesce((
    select case when l.outcome in ('ok', 'cancelled') then 0 else l.retry + 1 end
    from public.external_api_call_logs l
    where l.message_id = of_message and l.attempt < before_attempt and l.outcome <> 'claimed'
    order by l.attempt desc
    limit 1), 0);
end
$$;
comment on function private.retry_number(uuid, integer) is
  '0, or how many calls of this question in a row before this attempt have failed or were lost.';
revoke all on function private.retry_number(uuid, integer) from public, anon, authenticated, service_role;

create function private.open_call(of_reply public.chat_replies, for_worker uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into public.external_api_call_logs (message_id, attempt, session_id, user_id, worker_id, retry, asked_on)
  values (
    of_reply.message_id, of_reply.attempt, of_reply.session_id, of_reply.user_id, for_worker,
    private.retry_number(of_reply.message_id, of_reply.attempt),
    (of_reply.pending_since at time zone private.time_zone_of(of_reply.user_id))::date);
end
$$;
comment on function private.open_call(public.chat_replies, uuid) is
  'Opens the row of the reply''s present attempt, as claimed: it is no call until its worker names a model.';
revoke all on function private.open_call(public.chat_replies, uuid) from public, anon, authenticated, service_role;

create function private.close_call(
  of_message uuid, of_attempt integer, of_worker uuid, with_outcome text, with_call jsonb
) returns void
language plpgsql
set search_path = ''
as $$
declare
  call public.external_api_call_logs :=
    jsonb_populate_record(null::public.external_api_call_logs, coalesce(with_call, '{}'));
  cost_is_told constant boolean := call.cost_usd is not null and call.cost_is_estimated is not true;
begin
  if call.model_requested is null then
    -- No model was asked: there is nothing to account for.
    delete from public.external_api_call_logs l
    where l.message_id = of_message and l.attempt = of_attempt and l.worker_id = of_worker and l.outcome = 'claimed';
  end if;
  -- Taken away before its worker could name the model, with the chat perhaps: the tokens were spent all the same.
  if with_outcome = 'lost' and call.session_id is not null and call.user_id is not null then
    insert into public.external_api_call_logs (
      message_id, attempt, session_id, user_id, worker_id, retry, started_at, asked_on)
    values (
      of_message, of_attempt, call.session_id, call.user_id, of_worker, private.retry_number(of_message, of_attempt),
      -- It comes now, and began as long ago as it took.
      now() - make_interval(secs => coalesce(call.latency_ms, 0) / 1000.0),
      (now() at time zone private.time_zone_of(call.user_id))::date)
    on conflict (message_id, attempt) do nothing;
  end if;
  update public.external_api_call_logs l
  set
    model_requested = coalesce(call.model_requested, l.model_requested),
    model_version = coalesce(call.model_version, l.model_version),
    endpoint = coalesce(call.endpoint, l.endpoint),
    prompt_version = coalesce(call.prompt_version, l.prompt_version),
    prompt_tokens = coalesce(call.prompt_tokens, l.prompt_tokens),
    cached_tokens = coalesce(call.cached_tokens, l.cached_tokens),
    candidate_tokens = coalesce(call.candidate_tokens, l.candidate_tokens),
    thought_tokens = coalesce(call.thought_tokens, l.thought_tokens),
    -- An estimate fills a gap, and never takes the place of what was told.
    cost_usd = case when cost_is_told then call.cost_usd else coalesce(l.cost_usd, call.cost_usd) end,
    cost_is_estimated = case
      when cost_is_told then false
      when l.cost_usd is not null then l.cost_is_estimated
      else call.cost_usd is not null end,
    -- Of a lost call, what was assumed of it ends with its worker's word.
    tokens_debited = call.tokens_debited,
    first_token_ms = coalesce(call.first_token_ms, l.first_token_ms),
    latency_ms = coalesce(call.latency_ms, l.latency_ms),
    -- A lost call stays lost: its tokens were spent, its answer was not used.
    outcome = case l.outcome when 'lost' then 'lost' else with_outcome end,
    finished_at = now()
  where l.message_id = of_message and l.attempt = of_attempt and l.worker_id = of_worker
    and l.outcome in ('claimed', 'started', 'lost');
end
$$;
comment on function private.close_call(uuid, integer, uuid, text, jsonb) is
  'Closes the row of one attempt of one worker with what the call used, or takes it away if none was made. A row closed before is left alone, but for a lost one: what its worker tells later is added.';
revoke all on function private.close_call(uuid, integer, uuid, text, jsonb)
  from public, anon, authenticated, service_role;

create function private.lose_call(of_message uuid) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  delete from public.external_api_call_logs l where l.message_id = of_message and l.outcome = 'claimed';
  update public.external_api_call_logs l set outcome = 'lost', finished_at = now()
  where l.message_id = of_message and l.outcome = 'started';
  return found;
end
$$;
comment on function private.lose_call(uuid) is
  'Closes the open row of a claim that is over: a call becomes lost, what was no call is taken away. True: there was a call.';
revoke all on function private.lose_call(uuid) from public, anon, authenticated, service_role;
