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
  where q.message_id = of_message and q.worker_id is not null and q.due_at > now();
  if not found then
    perform private.lose_call(of_message);
    perform private.settle_cancelled(of_message);
  end if;
end
$$;

create or replace function private.cancel_reply(message_id uuid) returns public.chat_replies
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
  perform private.stop_reply(reply.message_id);
  select * into reply from public.chat_replies r where r.message_id = reply.message_id;
  return reply;
end
$$;

comment on function private.stop_reply(uuid) is
  'Stops a reply under way: at once, or by asking the worker that holds it. The caller holds the session''s lock.';

revoke all on function private.stop_reply(uuid) from public, anon, authenticated, service_role;
