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

create function public.regenerate_reply(message_id uuid) returns jsonb
language sql
set search_path = ''
begin atomic
  select private.regenerate_reply(regenerate_reply.message_id);
end;

comment on function public.regenerate_reply(uuid) is
  'For users. Asks for the next version of the answer of the newest question; earlier ones stay; answers the row of chat_replies. 404 not_found, 409 reply_state, session_archived or too_many_versions, 429 too_many_pending or busy.';

revoke all on function private.regenerate_reply(uuid) from public, anon, authenticated, service_role;
revoke all on function public.regenerate_reply(uuid) from public, anon, authenticated, service_role;
grant execute on function private.regenerate_reply(uuid) to authenticated;
grant execute on function public.regenerate_reply(uuid) to authenticated;
