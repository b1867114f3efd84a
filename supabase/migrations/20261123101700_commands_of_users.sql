-- What a user may ask for beyond a plain insert: open a chat, retry a reply, cancel one.

-- Runs with the caller's rights: row-level security decides which analyses there are.
create function public.open_chat_session(post_analysis_id uuid) returns public.chat_sessions
language plpgsql
set search_path = ''
as $$
declare
  session public.chat_sessions;
begin
  insert into public.chat_sessions (post_analysis_id, user_id)
  select a.id, a.user_id from public.post_analyses a where a.id = open_chat_session.post_analysis_id
  on conflict on constraint one_chat_session_per_analysis do nothing;

  select * into session from public.chat_sessions s
  where s.post_analysis_id = open_chat_session.post_analysis_id;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such post analysis.', hint = 'not_found';
  end if;
  return session;
end
$$;

create function private.lock_own_reply(of_message uuid) returns public.chat_replies
language plpgsql
set search_path = ''
as $$
declare
  reply public.chat_replies;
begin
  select * into reply from public.chat_replies r
  where r.message_id = of_message and r.user_id = (select auth.uid());
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such message.', hint = 'not_found';
  end if;
  -- In the order of every insert (the user, the session), or two of one user's commands could wait in a ring.
  perform pg_catalog.pg_advisory_xact_lock(
    pg_catalog.hashtext('chat_messages.user_id'), pg_catalog.hashtext(reply.user_id::text));
  perform from public.chat_sessions s where s.id = reply.session_id for no key update;
  select * into reply from public.chat_replies r where r.message_id = of_message;
  return reply;
end
$$;

create function private.retry_reply(message_id uuid) returns public.chat_replies
language plpgsql security definer
set search_path = ''
as $$
declare
  reply public.chat_replies := private.lock_own_reply(retry_reply.message_id);
begin
  if reply.status not in ('failed', 'cancelled') then
    raise sqlstate 'PT409'
      using message = format('Only a failed or cancelled reply can be retried; this one is %s.', reply.status),
        hint = 'reply_state';
  end if;
  if exists (select from public.chat_sessions s where s.id = reply.session_id and s.status = 'archived') then
    raise sqlstate 'PT409'
      using message = 'This chat is archived. Reopen it to ask more.', hint = 'session_archived';
  end if;
  update public.chat_replies r set status = 'pending'
  where r.message_id = reply.message_id
  returning * into reply;
  return reply;
end
$$;

create function private.cancel_reply(message_id uuid) returns public.chat_replies
language plpgsql security definer
set search_path = ''
as $$
declare
  reply public.chat_replies := private.lock_own_reply(cancel_reply.message_id);
begin
  if reply.status not in ('pending', 'answering') then
    raise sqlstate 'PT409'
      using message = format('Only a reply under way can be cancelled; this one is %s.', reply.status),
        hint = 'reply_state';
  end if;

  -- The queue before the reply, as in every settle: a claim of this very row would wait for us in a ring.
  perform from private.reply_queue q where q.message_id = reply.message_id for update;
  -- A worker that lives is asked, and keeps what it has shown; where none does, the draft is all there is.
  update private.reply_queue q set cancel_requested_at = coalesce(q.cancel_requested_at, now())
  where q.message_id = reply.message_id and q.worker_id is not null and q.due_at > now();
  if not found then
    perform private.lose_call(reply.message_id);
    perform private.settle_cancelled(reply.message_id);
  end if;

  select * into reply from public.chat_replies r where r.message_id = reply.message_id;
  return reply;
end
$$;

create function public.retry_reply(message_id uuid) returns public.chat_replies
language sql
set search_path = ''
begin atomic
  select * from private.retry_reply(retry_reply.message_id);
end;

create function public.cancel_reply(message_id uuid) returns public.chat_replies
language sql
set search_path = ''
begin atomic
  select * from private.cancel_reply(cancel_reply.message_id);
end;

comment on function public.open_chat_session(uuid) is
  'For users. The chat session of one of their analyses, opened if there is none. Call it at the first message, not by looking. 404 not_found.';
comment on function public.retry_reply(uuid) is
  'For users. Answers a failed question again, in place. 404 not_found, 409 reply_state or session_archived, 429 too_many_pending.';
comment on function public.cancel_reply(uuid) is
  'For users. Stops a reply: at once while it waits, within seconds while it streams; what was shown is kept. 404 not_found, 409 reply_state.';

revoke all on function public.open_chat_session(uuid) from public, anon, authenticated, service_role;
revoke all on function private.lock_own_reply(uuid) from public, anon, authenticated, service_role;
revoke all on function private.retry_reply(uuid) from public, anon, authenticated, service_role;
revoke all on function private.cancel_reply(uuid) from public, anon, authenticated, service_role;
revoke all on function public.retry_reply(uuid) from public, anon, authenticated, service_role;
revoke all on function public.cancel_reply(uuid) from public, anon, authenticated, service_role;
grant execute on function public.open_chat_session(uuid) to authenticated;
grant execute on function private.retry_reply(uuid) to authenticated;
grant execute on function private.cancel_reply(uuid) to authenticated;
grant execute on function public.retry_reply(uuid) to authenticated;
grant execute on function public.cancel_reply(uuid) to authenticated;
