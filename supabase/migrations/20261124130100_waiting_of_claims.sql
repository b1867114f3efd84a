-- A claim says how long its reply has waited, by the one clock that knows: what users feel before a worker begins.

create or replace function private.lease_reply(due private.reply_queue, for_worker uuid, lease interval) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  reply public.chat_replies;
begin
  update private.reply_queue q
  set worker_id = for_worker, attempt = q.attempt + 1, tries = q.tries + 1, due_at = now() + lease
  where q.session_id = due.session_id;
  update public.chat_replies r set status = 'answering', attempt = due.attempt + 1
  where r.message_id = due.message_id
  returning * into reply;
  perform private.open_call(reply, for_worker);
  return private.reply_context(due.message_id) || jsonb_build_object(
    'message_id', reply.message_id,
    'session_id', reply.session_id,
    'attempt', reply.attempt,
    'version', reply.version,
    'tries_left', private.max_tries() - (due.tries + 1),
    -- Since the question; asked again, or after a claim that came to nothing, since it was due.
    'waiting_ms', round(extract(epoch from
      now() - case due.attempt when 0 then reply.created_at else due.due_at end) * 1000)::bigint);
end
$$;

comment on function public.claim_replies(uuid, integer, double precision) is
  'For the worker. Leases up to max_replies due replies: {"replies": [{message_id, session_id, attempt, version, tries_left, waiting_ms, question, history, posts, analyses}], "next_due_in_ms": milliseconds until the next one may be due, or null}.';
