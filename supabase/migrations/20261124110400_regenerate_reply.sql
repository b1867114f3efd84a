-- Another version of an answer. The earlier ones stay: the newest one stored is current, so that nothing is
-- lost while the next is being made, when it fails, or when it is stopped before it has a word.

create or replace function private.guard_reply_status() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  legal constant jsonb := '{
    "pending": ["answering", "failed", "cancelled"],
    "answering": ["pending", "completed", "failed", "cancelled"],
    "completed": [],
    "failed": ["pending"],
    "cancelled": ["pending"]}';
  -- A next version is asked for: the one way out of completed.
  is_next_version constant boolean := new.version = old.version + 1 and new.status = 'pending'
    and old.status in ('completed', 'cancelled')
    and exists (select from public.chat_messages m where m.reply_to = new.message_id and m.version = old.version);
  answered boolean;
begin
  if new.version <> old.version and not is_next_version then
    raise sqlstate 'PT409'
      using message = 'A version is only followed by the next one, once it has its answer, and by becoming pending.',
        hint = 'reply_state';
  end if;
  if not is_next_version and not legal -> old.status ? new.status then
    raise sqlstate 'PT409'
      using message = format('A reply that is %s cannot become %s.', old.status, new.status),
        detail = format('From %s it may become: %s.', old.status, coalesce(
          (select string_agg(s, ', ') from jsonb_array_elements_text(legal -> old.status) as s),
          'pending, with the next version')),
        hint = 'reply_state';
  end if;

  answered := exists (
    select from public.chat_messages m where m.reply_to = new.message_id and m.version = new.version);
  if new.status = 'answering' and not exists (
    select from private.reply_queue q where q.message_id = new.message_id and q.worker_id is not null)
  then
    raise sqlstate 'PT409'
      using message = 'Only a worker that has claimed a reply can set it to answering.', hint = 'reply_state';
  end if;
  if new.status = 'completed' and not answered then
    raise sqlstate 'PT409' using message = 'A reply without an answer cannot be completed.', hint = 'reply_state';
  end if;
  if new.status = 'pending' and answered then
    raise sqlstate 'PT409'
      using message = 'This question has its answer: what was shown before it was stopped.', hint = 'reply_state';
  end if;
  if new.status = 'pending' and old.status <> 'answering' and exists (
    select from public.chat_messages m where m.replaces = new.message_id)
  then
    raise sqlstate 'PT409' using message = 'This question was replaced by another.', hint = 'reply_state';
  end if;

  new.error_code := case when new.status = 'failed' then coalesce(new.error_code, 'internal') end;
  new.started_at := case new.status when 'answering' then now() when 'pending' then null else new.started_at end;
  new.finished_at := case when new.status not in ('pending', 'answering') then now() end;
  return new;
end
$$;

drop trigger guard_reply_status on public.chat_replies;
create trigger guard_reply_status before update of status, version on public.chat_replies
  for each row when ((old.status, old.version) is distinct from (new.status, new.version))
  execute function private.guard_reply_status();

drop trigger refuse_flood_of_retries on public.chat_replies;
create trigger refuse_flood_of_retries before update of status on public.chat_replies
  for each row when (old.status in ('completed', 'failed', 'cancelled') and new.status = 'pending')
  execute function private.refuse_flood();

create function private.regenerate_reply(message_id uuid) returns public.chat_replies
language plpgsql security definer
set search_path = ''
as $$
declare
  reply public.chat_replies := private.lock_own_reply(regenerate_reply.message_id);
  session public.chat_sessions;
  newest integer;
begin
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
  return reply;
end
$$;

create function public.regenerate_reply(message_id uuid) returns public.chat_replies
language sql
set search_path = ''
begin atomic
  select * from private.regenerate_reply(regenerate_reply.message_id);
end;

comment on column public.chat_replies.version is
  'The version of the answer that is asked for. Where it has no answer, the newest one stored stays current.';
comment on function public.regenerate_reply(uuid) is
  'For users. Asks for the next version of the answer of the newest question; earlier ones stay. 404 not_found, 409 reply_state or session_archived, 429 too_many_pending.';

revoke all on function private.regenerate_reply(uuid) from public, anon, authenticated, service_role;
revoke all on function public.regenerate_reply(uuid) from public, anon, authenticated, service_role;
grant execute on function private.regenerate_reply(uuid) to authenticated;
grant execute on function public.regenerate_reply(uuid) to authenticated;
