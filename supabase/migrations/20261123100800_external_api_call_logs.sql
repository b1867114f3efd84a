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
