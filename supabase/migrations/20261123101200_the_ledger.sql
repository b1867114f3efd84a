-- How rows of the ledger are opened and closed: never by hand, never twice.

create function private.open_call(of_reply public.chat_replies, for_worker uuid) returns void
language sql
set search_path = ''
begin atomic
  insert into public.external_api_call_logs (message_id, attempt, session_id, user_id, worker_id)
  values (of_reply.message_id, of_reply.attempt, of_reply.session_id, of_reply.user_id, for_worker);
end;

create function private.close_call(
  of_message uuid, of_attempt integer, of_worker uuid, with_outcome text, with_call jsonb
) returns void
language plpgsql
set search_path = ''
as $$
declare
  call public.external_api_call_logs :=
    jsonb_populate_record(null::public.external_api_call_logs, coalesce(with_call, '{}'));
begin
  update public.external_api_call_logs l
  set
    model_requested = call.model_requested,
    model_version = call.model_version,
    endpoint = call.endpoint,
    prompt_version = call.prompt_version,
    prompt_tokens = call.prompt_tokens,
    cached_tokens = call.cached_tokens,
    candidate_tokens = call.candidate_tokens,
    thought_tokens = call.thought_tokens,
    cost_usd = call.cost_usd,
    first_token_ms = call.first_token_ms,
    latency_ms = call.latency_ms,
    -- A lost call stays lost: its tokens were spent, its answer was not used.
    outcome = case l.outcome when 'started' then with_outcome else l.outcome end,
    finished_at = now()
  where l.message_id = of_message and l.attempt = of_attempt and l.worker_id = of_worker
    and l.outcome in ('started', 'lost');
end
$$;

create function private.lose_call(of_message uuid) returns void
language sql
set search_path = ''
begin atomic
  update public.external_api_call_logs l set outcome = 'lost', finished_at = now()
  where l.message_id = of_message and l.outcome = 'started';
end;

comment on function private.open_call(public.chat_replies, uuid) is 'Opens the row of the reply''s present attempt.';
comment on function private.close_call(uuid, integer, uuid, text, jsonb) is
  'Closes the row of one attempt of one worker with what the call used; a row closed before is left alone.';
comment on function private.lose_call(uuid) is 'Closes the open row of a worker that did not come back.';

revoke all on function private.open_call(public.chat_replies, uuid) from public, anon, authenticated, service_role;
revoke all on function private.close_call(uuid, integer, uuid, text, jsonb)
  from public, anon, authenticated, service_role;
revoke all on function private.lose_call(uuid) from public, anon, authenticated, service_role;
