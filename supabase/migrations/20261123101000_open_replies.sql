-- The row is the job: a question cannot exist without its reply.

create function private.open_reply() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  -- Under the user's lock, so that a claim never waits for it.
  insert into private.served_places (user_id, place) values (new.user_id, -1) on conflict do nothing;
  insert into public.chat_replies (message_id, session_id, user_id, attempt)
  values (
    new.id, new.session_id, new.user_id,
    -- Attempts go on where the ledger ended, whatever was done to the tables by hand.
    coalesce((select max(l.attempt) from public.external_api_call_logs l where l.message_id = new.id), 0));
  return null;
end
$$;

create trigger open_reply after insert on public.chat_messages
  for each row when (new.role = 'user') execute function private.open_reply();

-- Where unfinished replies come from stands the flood guard. It looks at each row of a bulk insert,
-- since the rows before it are there by then. The locks of order_message keep two inserts from passing together.
create function private.refuse_flood() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  per_session constant integer := 20;
  per_user constant integer := 100;
  in_session integer;
  of_user integer;
begin
  select count(*) into in_session from (
    select from public.chat_replies r
    where r.session_id = new.session_id and r.status in ('pending', 'answering')
    limit per_session) as unfinished;
  select count(*) into of_user from (
    select from public.chat_replies r
    where r.user_id = new.user_id and r.status in ('pending', 'answering')
    limit per_user) as unfinished;
  if in_session >= per_session or of_user >= per_user then
    raise sqlstate 'PT429'
      using message = 'Too many questions are waiting for an answer. Ask again when some are answered.',
        hint = 'too_many_pending';
  end if;
  -- By the reconciler's last look: this one would be given up for its age before its turn came.
  if exists (select from private.reconciler c where c.refuses_questions and c.last_run_at > now() - interval '3 min') then
    raise sqlstate 'PT429'
      using message = 'More questions are waiting than can be answered in time. Ask again in a few minutes.',
        hint = 'too_many_pending';
  end if;
  return new;
end
$$;

create trigger refuse_flood before insert on public.chat_replies
  for each row execute function private.refuse_flood();

create trigger refuse_flood_of_retries before update of status on public.chat_replies
  for each row when (old.status in ('completed', 'failed', 'cancelled') and new.status = 'pending')
  execute function private.refuse_flood();

comment on function private.open_reply() is 'Opens the reply to a new question.';
comment on function private.refuse_flood() is
  'At most 20 unfinished replies per session and 100 per user, and none while the whole queue is too long.';

revoke all on function private.open_reply() from public, anon, authenticated, service_role;
revoke all on function private.refuse_flood() from public, anon, authenticated, service_role;
