-- What a user may ask for beyond a plain insert: open a chat, retry a reply, cancel one, have another version of an
-- answer.

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
comment on function public.open_chat_session(uuid) is
  'For users. The chat session of one of their analyses, opened if there is none. Call it at the first message, not by looking. 404 not_found.';
revoke all on function public.open_chat_session(uuid) from public, anon, authenticated, service_role;
grant execute on function public.open_chat_session(uuid) to authenticated;

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
  perform private.lock_session(reply.session_id, reply.user_id);
  select * into reply from public.chat_replies r where r.message_id = of_message;
  if not found then
    raise sqlstate 'PT404' using message = 'There is no such message.', hint = 'not_found';
  end if;
  return reply;
end
$$;
revoke all on function private.lock_own_reply(uuid) from public, anon, authenticated, service_role;

-- Commands answer JSON and no row of a table: what can be embedded can be filtered, and a filter on one's own long
-- text can be made to take seconds, for which the command would hold its locks.
create function private.retry_reply(message_id uuid) returns jsonb
language plpgsql security definer
set search_path = ''
set lock_timeout = '300ms'
as $$
declare
  reply public.chat_replies;
begin
  perform private.enter_command();
  reply := private.lock_own_reply(retry_reply.message_id);
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
  return to_jsonb(reply);
exception when lock_not_available then
  perform private.refuse_busy();
end
$$;
revoke all on function private.retry_reply(uuid) from public, anon, authenticated, service_role;
grant execute on function private.retry_reply(uuid) to authenticated;

create function private.cancel_reply(message_id uuid) returns jsonb
language plpgsql security definer
set search_path = ''
set lock_timeout = '300ms'
as $$
declare
  reply public.chat_replies;
begin
  perform private.enter_command();
  reply := private.lock_own_reply(cancel_reply.message_id);
  if reply.status not in ('pending', 'answering') then
    raise sqlstate 'PT409'
      using message = format('Only a reply under way can be cancelled; this one is %s.', reply.status),
        hint = 'reply_state';
  end if;
  perform private.stop_reply(reply.message_id);
  select * into reply from public.chat_replies r where r.message_id = reply.message_id;
  return to_jsonb(reply);
exception when lock_not_available then
  perform private.refuse_busy();
end
$$;
revoke all on function private.cancel_reply(uuid) from public, anon, authenticated, service_role;
grant execute on function private.cancel_reply(uuid) to authenticated;

create function public.retry_reply(message_id uuid) returns jsonb
language sql
set search_path = ''
begin atomic
  select private.retry_reply(retry_reply.message_id);
end;
comment on function public.retry_reply(uuid) is
  'For users. Answers a failed question again, in place; answers the row of chat_replies. 404 not_found, 409 reply_state or session_archived, 429 too_many_pending or busy.';
revoke all on function public.retry_reply(uuid) from public, anon, authenticated, service_role;
grant execute on function public.retry_reply(uuid) to authenticated;

create function public.cancel_reply(message_id uuid) returns jsonb
language sql
set search_path = ''
begin atomic
  select private.cancel_reply(cancel_reply.message_id);
end;
comment on function public.cancel_reply(uuid) is
  'For users. Stops a reply: at once while it waits, within seconds while it streams; what was shown is kept; answers the row of chat_replies. 404 not_found, 409 reply_state, 429 busy.';
revoke all on function public.cancel_reply(uuid) from public, anon, authenticated, service_role;
grant execute on function public.cancel_reply(uuid) to authenticated;

-- Another version of an answer. The earlier ones stay: the newest one stored is current, so that nothing is
-- lost while the next is being made, when it fails, or when it is stopped before it has a word.
create function private.regenerate_reply(message_id uuid) returns jsonb
language plpgsql security definer
set search_path = ''
set lock_timeout = '300ms'
as $$
declare
  reply public.chat_replies;
  session public.chat_sessions;
  newest integer;
begin
  perform private.enter_command();
  reply := private.lock_own_reply(regenerate_reply.message_id);
  select * into strict session from public.chat_sessions s where s.id = reply.session_id;
  if reply.status in ('pending', 'answering') then
    raise sqlstate 'PT409'
      using message = format('Only an answer can be regenerated; this reply is %s.', reply.status),
        hint = 'reply_state';
  end if;
  if session.last_turn <> (select m.turn from public.chat_messages m where m.id = reply.message_id) then
    raise sqlstate 'PT409'
      using message = 'Only the answer of the newest question can be regenerated.', hint = 'reply_state';
  end if;
  select max(m.version) into newest from public.chat_messages m where m.reply_to = reply.message_id;
  if newest is null then
    raise sqlstate 'PT409'
      using message = 'There is no answer yet that could be regenerated. Retry it instead.', hint = 'reply_state';
  end if;
  if session.status = 'archived' then
    raise sqlstate 'PT409'
      using message = 'This chat is archived. Reopen it to ask more.', hint = 'session_archived';
  end if;
  -- A version that failed, or was stopped before it had a word, is tried again under its own number.
  update public.chat_replies r set status = 'pending', version = newest + 1
  where r.message_id = reply.message_id
  returning * into reply;
  return to_jsonb(reply);
exception when lock_not_available then
  perform private.refuse_busy();
end
$$;
revoke all on function private.regenerate_reply(uuid) from public, anon, authenticated, service_role;
grant execute on function private.regenerate_reply(uuid) to authenticated;

create function public.regenerate_reply(message_id uuid) returns jsonb
language sql
set search_path = ''
begin atomic
  select private.regenerate_reply(regenerate_reply.message_id);
end;
comment on function public.regenerate_reply(uuid) is
  'For users. Asks for the next version of the answer of the newest question; earlier ones stay; answers the row of chat_replies. 404 not_found, 409 reply_state, session_archived or too_many_versions, 429 too_many_pending or busy.';
revoke all on function public.regenerate_reply(uuid) from public, anon, authenticated, service_role;
grant execute on function public.regenerate_reply(uuid) to authenticated;
