-- The claim: what is due, oldest first, each to one worker only, with all that is needed to answer it.

create function private.reply_context(of_message uuid) returns jsonb
language sql stable
set search_path = ''
begin atomic
  select jsonb_build_object(
    'question', question.content,
    -- Answered questions and their current answers: the newest twenty before this one, whatever came after it.
    'history', coalesce((
      select jsonb_agg(jsonb_build_object('role', h.role, 'content', h.content) order by h.turn, h.role desc)
      from (
        select m.turn, m.role, m.content
        from public.chat_messages m
        where m.session_id = question.session_id and m.turn < question.turn
          and case m.role
            when 'user' then exists (select from public.chat_messages a where a.reply_to = m.id)
            else not exists (
              select from public.chat_messages newer
              where newer.reply_to = m.reply_to and newer.version > m.version)
          end
        order by m.turn desc, m.role
        limit 20
      ) as h), '[]'),
    'posts', jsonb_build_array(to_jsonb(p) - 'user_id'),
    'analyses', jsonb_build_array(to_jsonb(a) - 'user_id' - 'analysis'))
  from public.chat_messages question
  join public.chat_sessions session on session.id = question.session_id
  join public.post_analyses a on a.id = session.post_analysis_id
  join public.posts p on p.id = a.post_id
  where question.id = of_message;
end;

-- Replies that no attempt may answer any more. False: the session is busy just now, look again.
create function private.settle_due_reply(due private.reply_queue) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  -- Elsewhere the session is locked before the queue; here the queue row is held already, so never wait.
  perform from public.chat_sessions s where s.id = due.session_id for no key update skip locked;
  if not found then
    return false;
  end if;
  if due.cancel_requested_at is not null then
    perform private.settle_cancelled(due.message_id);
  else
    update public.chat_replies r set status = 'failed', error_code = 'out_of_tries'
    where r.message_id = due.message_id;
  end if;
  return true;
end
$$;

create function private.lease_reply(due private.reply_queue, for_worker uuid, lease interval) returns jsonb
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
    'tries_left', private.max_tries() - (due.tries + 1));
end
$$;

create function private.claim_replies(worker_id uuid, max_replies integer, lease_seconds double precision)
returns jsonb
language plpgsql security definer
set search_path = ''
as $$
declare
  due private.reply_queue;
  claimed jsonb[] := '{}';
  look_again_in_ms integer;
begin
  for due in
    select q.* from private.reply_queue q
    where q.due_at <= now()
    order by q.due_at
    limit max_replies
    for update skip locked
  loop
    -- Due and still held: the lease ran out. Its worker is dead or has lost its claim; there is no other rescuer.
    perform private.lose_call(due.message_id);
    if due.cancel_requested_at is null and due.tries < private.max_tries() then
      claimed := claimed || private.lease_reply(due, claim_replies.worker_id, make_interval(secs => lease_seconds));
    elsif private.settle_due_reply(due) then
      look_again_in_ms := 0; -- the session's next reply is due by now
    else
      look_again_in_ms := coalesce(look_again_in_ms, 100);
    end if;
  end loop;

  return jsonb_build_object(
    'replies', to_jsonb(claimed),
    'next_due_in_ms', coalesce(look_again_in_ms, (
      select ceil(extract(epoch from min(q.due_at) - now()) * 1000)::integer
      from private.reply_queue q where q.due_at > now())));
end
$$;

create function public.claim_replies(worker_id uuid, max_replies integer, lease_seconds double precision)
returns jsonb
language sql
set search_path = ''
begin atomic
  select private.claim_replies(
    claim_replies.worker_id, claim_replies.max_replies, claim_replies.lease_seconds);
end;

comment on function public.claim_replies(uuid, integer, double precision) is
  'For the worker. Leases up to max_replies due replies: {"replies": [{message_id, session_id, attempt, version, tries_left, question, history, posts, analyses}], "next_due_in_ms": milliseconds until the next one may be due, or null}.';

revoke all on function private.reply_context(uuid) from public, anon, authenticated, service_role;
revoke all on function private.settle_due_reply(private.reply_queue) from public, anon, authenticated, service_role;
revoke all on function private.lease_reply(private.reply_queue, uuid, interval)
  from public, anon, authenticated, service_role;
revoke all on function private.claim_replies(uuid, integer, double precision)
  from public, anon, authenticated, service_role;
revoke all on function public.claim_replies(uuid, integer, double precision)
  from public, anon, authenticated, service_role;
grant execute on function private.claim_replies(uuid, integer, double precision) to service_role;
grant execute on function public.claim_replies(uuid, integer, double precision) to service_role;
