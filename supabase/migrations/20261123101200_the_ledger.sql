-- How rows of the ledger are opened and closed: never by hand, never twice.

create function private.open_call(of_reply public.chat_replies, for_worker uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into public.external_api_call_logs (message_id, attempt, session_id, user_id, worker_id)
  values (of_reply.message_id, of_reply.attempt, of_reply.session_id, of_reply.user_id, for_worker);
end
$$;

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
  if call.model_requested is null then
    -- No model was asked: there is nothing to account for.
    delete from public.external_api_call_logs l
    where l.message_id = of_message and l.attempt = of_attempt and l.worker_id = of_worker and l.outcome = 'claimed';
  end if;
  -- Taken away before its worker could name the model, with the chat perhaps: the tokens were spent all the same.
  if with_outcome = 'lost' and call.session_id is not null and call.user_id is not null then
    insert into public.external_api_call_logs (message_id, attempt, session_id, user_id, worker_id, outcome)
    values (of_message, of_attempt, call.session_id, call.user_id, of_worker, 'lost')
    on conflict (message_id, attempt) do nothing;
  end if;
  update public.external_api_call_logs l
  set
    model_requested = coalesce(call.model_requested, l.model_requested),
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
    outcome = case l.outcome when 'lost' then 'lost' else with_outcome end,
    finished_at = now()
  where l.message_id = of_message and l.attempt = of_attempt and l.worker_id = of_worker
    and l.outcome in ('claimed', 'started', 'lost');
end
$$;

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

comment on function private.open_call(public.chat_replies, uuid) is
  'Opens the row of the reply''s present attempt, as claimed: it is no call until its worker names a model.';
comment on function private.close_call(uuid, integer, uuid, text, jsonb) is
  'Closes the row of one attempt of one worker with what the call used, or takes it away if none was made; a row closed before is left alone.';
comment on function private.lose_call(uuid) is
  'Closes the open row of a claim that is over: a call becomes lost, what was no call is taken away. True: there was a call.';

revoke all on function private.open_call(public.chat_replies, uuid) from public, anon, authenticated, service_role;
revoke all on function private.close_call(uuid, integer, uuid, text, jsonb)
  from public, anon, authenticated, service_role;
revoke all on function private.lose_call(uuid) from public, anon, authenticated, service_role;
