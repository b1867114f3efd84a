-- What was shown is kept when a reply is stopped, by a worker or for a dead one.

create function private.insert_answer(
  of_reply public.chat_replies, content text, finish_reason text, call public.external_api_call_logs
) returns void
language sql
set search_path = ''
begin atomic
  insert into public.chat_messages (role, reply_to, version, content, finish_reason, model, tokens_used, session_id)
  values (
    'assistant', of_reply.message_id, of_reply.version, insert_answer.content, insert_answer.finish_reason,
    call.model_version,
    case when call.prompt_tokens is not null then
      call.prompt_tokens + coalesce(call.candidate_tokens, 0) + coalesce(call.thought_tokens, 0) end,
    of_reply.session_id);
end;

create function private.settle_cancelled(of_message uuid) returns void
language plpgsql
set search_path = ''
as $$
declare
  reply public.chat_replies;
  shown text;
begin
  select * into strict reply from public.chat_replies r where r.message_id = of_message;
  -- Of this attempt and version alone: another's text was never an answer to this.
  shown := private.draft_text(reply.message_id, reply.attempt, reply.version);
  if shown <> '' then
    perform private.insert_answer(reply, shown, 'cancelled', null);
  end if;
  update public.chat_replies r set status = 'cancelled' where r.message_id = of_message;
end
$$;

-- What it takes to stop a reply, for every command that does so.
create function private.stop_reply(of_message uuid) returns void
language plpgsql
set search_path = ''
as $$
begin
  -- The queue before the reply, as in every settle: a claim of this very row would wait for us in a ring.
  perform from private.reply_queue q where q.message_id = of_message for update;
  -- A worker that lives is asked, and keeps what it has shown; where none does, the draft is all there is.
  update private.reply_queue q set cancel_requested_at = coalesce(q.cancel_requested_at, now())
  where q.message_id = of_message
    and exists (select from private.workers w where w.id = q.worker_id and w.alive_until > now());
  if not found then
    perform private.lose_call(of_message);
    perform private.settle_cancelled(of_message);
  end if;
end
$$;

comment on function private.insert_answer(public.chat_replies, text, text, public.external_api_call_logs) is
  'Stores the assistant row of the reply''s present version.';
comment on function private.settle_cancelled(uuid) is
  'Settles a reply as cancelled, with its draft as the answer. The caller holds the session''s lock.';
comment on function private.stop_reply(uuid) is
  'Stops a reply under way: at once, or by asking the worker that holds it. The caller holds the session''s lock.';

revoke all on function private.insert_answer(public.chat_replies, text, text, public.external_api_call_logs)
  from public, anon, authenticated, service_role;
revoke all on function private.settle_cancelled(uuid) from public, anon, authenticated, service_role;
revoke all on function private.stop_reply(uuid) from public, anon, authenticated, service_role;
