-- How an attempt ends. Each call is fenced by (message_id, worker_id, attempt): where that no longer holds,
-- only the ledger row of the attempt is closed, for its tokens were spent, and the answer says so.

create function private.lock_claim(of_message uuid, of_worker uuid, of_attempt integer)
returns private.reply_queue
language plpgsql
set search_path = ''
as $$
declare
  claim private.reply_queue;
begin
  -- The session first: a question coming in at this moment waits, so that neither overlooks the other.
  perform from public.chat_sessions s
  join public.chat_messages m on m.session_id = s.id
  where m.id = of_message
  for no key update of s;
  select q.* into claim from private.reply_queue q
  where q.message_id = of_message and q.worker_id = of_worker and q.attempt = of_attempt
  for update;
  return claim;
end
$$;
comment on function private.lock_claim(uuid, uuid, integer) is 'Locks session and queue row of a claim; null: it does not hold any more.';
revoke all on function private.lock_claim(uuid, uuid, integer) from public, anon, authenticated, service_role;

create function private.was_settled(of_message uuid, of_worker uuid, of_attempt integer, outcomes text[])
returns boolean
language sql stable
set search_path = ''
begin atomic
  select exists (
    select from public.external_api_call_logs l
    where l.message_id = of_message and l.attempt = of_attempt and l.worker_id = of_worker
      and l.outcome = any (outcomes));
end;
comment on function private.was_settled(uuid, uuid, integer, text[]) is 'Whether this attempt of this worker was closed with one of these outcomes.';
revoke all on function private.was_settled(uuid, uuid, integer, text[]) from public, anon, authenticated, service_role;

create function private.is_counted(error_code text, call jsonb) returns boolean
language sql immutable
set search_path = ''
return call ->> 'model_requested' is not null and error_code not in ('rate_limited', 'model_unavailable');
comment on function private.is_counted(text, jsonb) is
  'Whether a failed call counts towards the calls of its question: one that met a limit, a refused key or a model that is gone does not.';
revoke all on function private.is_counted(text, jsonb) from public, anon, authenticated, service_role;

-- A settle needs the session's lock, which an insert of the user may hold for as long as its statement may take:
-- it waits for one second, and its worker asks again.
create function private.complete_reply(
  message_id uuid, worker_id uuid, attempt integer, content text, finish_reason text, call jsonb
) returns boolean
language plpgsql security definer
set search_path = ''
set lock_timeout = '1s'
as $$
declare
  claim private.reply_queue := private.lock_claim(
    complete_reply.message_id, complete_reply.worker_id, complete_reply.attempt);
  reply public.chat_replies;
  stopped constant boolean := complete_reply.finish_reason = 'cancelled';
begin
  if claim.message_id is null then
    perform private.close_call(
      complete_reply.message_id, complete_reply.attempt, complete_reply.worker_id, 'lost', call);
    -- Asked again because the first answer to this call got lost: it was settled by this very attempt.
    return private.was_settled(
        complete_reply.message_id, complete_reply.worker_id, complete_reply.attempt, array['ok', 'cancelled'])
      or exists (
        select from public.chat_replies r
        where r.message_id = complete_reply.message_id and r.attempt = complete_reply.attempt
          and stopped and r.status = 'cancelled');
  end if;

  select * into strict reply from public.chat_replies r where r.message_id = claim.message_id;
  perform private.close_call(
    claim.message_id, claim.attempt, claim.worker_id, case when stopped then 'cancelled' else 'ok' end, call);
  if not stopped or complete_reply.content <> '' then
    perform private.insert_answer(
      reply, complete_reply.content, complete_reply.finish_reason,
      jsonb_populate_record(null::public.external_api_call_logs, coalesce(call, '{}')));
  end if;
  update public.chat_replies r set status = case when stopped then 'cancelled' else 'completed' end
  where r.message_id = claim.message_id;
  return true;
end
$$;
revoke all on function private.complete_reply(uuid, uuid, integer, text, text, jsonb)
  from public, anon, authenticated, service_role;
grant execute on function private.complete_reply(uuid, uuid, integer, text, text, jsonb) to service_role;

create function private.fail_reply(
  message_id uuid, worker_id uuid, attempt integer, error_code text, retry_in double precision, call jsonb
) returns boolean
language plpgsql security definer
set search_path = ''
set lock_timeout = '1s'
as $$
declare
  claim private.reply_queue := private.lock_claim(
    fail_reply.message_id, fail_reply.worker_id, fail_reply.attempt);
  calls_made integer;
begin
  perform private.close_call(
    fail_reply.message_id, fail_reply.attempt, fail_reply.worker_id,
    case when claim.message_id is null then 'lost' else fail_reply.error_code end, call);
  if claim.message_id is null then
    return private.was_settled(
      fail_reply.message_id, fail_reply.worker_id, fail_reply.attempt, array[fail_reply.error_code]);
  end if;

  calls_made := claim.calls + private.is_counted(fail_reply.error_code, call)::integer;
  if claim.cancel_requested_at is not null then
    perform private.settle_cancelled(claim.message_id);
  elsif retry_in is null or calls_made >= private.max_calls() then
    update public.chat_replies r set status = 'failed', error_code = fail_reply.error_code
    where r.message_id = claim.message_id;
  else
    update private.reply_queue q
    set worker_id = null, claim = null, claimed_at = null, due_at = now() + make_interval(secs => retry_in),
      waiting_since = q.waiting_since + (now() - q.claimed_at), calls = calls_made
    where q.session_id = claim.session_id;
    delete from private.draft_pieces d where d.message_id = claim.message_id;
    update public.chat_replies r set status = 'pending' where r.message_id = claim.message_id;
  end if;
  return true;
end
$$;
revoke all on function private.fail_reply(uuid, uuid, integer, text, double precision, jsonb)
  from public, anon, authenticated, service_role;
grant execute on function private.fail_reply(uuid, uuid, integer, text, double precision, jsonb) to service_role;

create function private.next_attempt(
  message_id uuid, worker_id uuid, attempt integer, error_code text, call jsonb
) returns integer
language plpgsql security definer
set search_path = ''
set lock_timeout = '1s'
as $$
declare
  claim private.reply_queue := private.lock_claim(
    next_attempt.message_id, next_attempt.worker_id, next_attempt.attempt);
  reply public.chat_replies;
  calls_made integer;
begin
  if claim.message_id is null then
    perform private.close_call(
      next_attempt.message_id, next_attempt.attempt, next_attempt.worker_id, 'lost', call);
    -- Asked again because the first answer to this call got lost: it says the same.
    return (
      select q.attempt from private.reply_queue q
      where q.message_id = next_attempt.message_id and q.worker_id = next_attempt.worker_id
        and q.attempt = next_attempt.attempt + 1
        and private.was_settled(
          next_attempt.message_id, next_attempt.worker_id, next_attempt.attempt, array[next_attempt.error_code]));
  end if;

  perform private.close_call(
    claim.message_id, claim.attempt, claim.worker_id, next_attempt.error_code, call);
  calls_made := claim.calls + private.is_counted(next_attempt.error_code, call)::integer;
  update private.reply_queue q set attempt = q.attempt + 1, calls = calls_made
  where q.session_id = claim.session_id;
  delete from private.draft_pieces d where d.message_id = claim.message_id;
  update public.chat_replies r set attempt = claim.attempt + 1, started_at = now()
  where r.message_id = claim.message_id
  returning * into reply;
  perform private.open_call(reply, claim.worker_id);
  return reply.attempt;
end
$$;
revoke all on function private.next_attempt(uuid, uuid, integer, text, jsonb)
  from public, anon, authenticated, service_role;
grant execute on function private.next_attempt(uuid, uuid, integer, text, jsonb) to service_role;

create function public.complete_reply(
  message_id uuid, worker_id uuid, attempt integer, content text, finish_reason text, call jsonb
) returns boolean
language sql
set search_path = ''
begin atomic
  select private.complete_reply(
    complete_reply.message_id, complete_reply.worker_id, complete_reply.attempt, complete_reply.content,
    complete_reply.finish_reason, complete_reply.call);
end;
comment on function public.complete_reply(uuid, uuid, integer, text, text, jsonb) is
  'For the worker. Stores the answer and queues the session''s next reply. finish_reason: stop, max_tokens, repeating, or cancelled, which may come without content. call: the ledger''s columns. False: the claim was lost, nothing was stored.';
revoke all on function public.complete_reply(uuid, uuid, integer, text, text, jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.complete_reply(uuid, uuid, integer, text, text, jsonb) to service_role;

create function public.fail_reply(
  message_id uuid, worker_id uuid, attempt integer, error_code text, retry_in double precision, call jsonb
) returns boolean
language sql
set search_path = ''
begin atomic
  select private.fail_reply(
    fail_reply.message_id, fail_reply.worker_id, fail_reply.attempt, fail_reply.error_code,
    fail_reply.retry_in, fail_reply.call);
end;
comment on function public.fail_reply(uuid, uuid, integer, text, double precision, jsonb) is
  'For the worker. retry_in: seconds until it is due again; null, or its calls are used up: failed for good. False: the claim was lost.';
revoke all on function public.fail_reply(uuid, uuid, integer, text, double precision, jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.fail_reply(uuid, uuid, integer, text, double precision, jsonb) to service_role;

create function public.next_attempt(
  message_id uuid, worker_id uuid, attempt integer, error_code text, call jsonb
) returns integer
language sql
set search_path = ''
begin atomic
  select private.next_attempt(
    next_attempt.message_id, next_attempt.worker_id, next_attempt.attempt, next_attempt.error_code,
    next_attempt.call);
end;
comment on function public.next_attempt(uuid, uuid, integer, text, jsonb) is
  'For the worker. Closes the ledger row of a failed call and opens the next within the same claim. Answers the new attempt; null: the claim was lost.';
revoke all on function public.next_attempt(uuid, uuid, integer, text, jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.next_attempt(uuid, uuid, integer, text, jsonb) to service_role;
