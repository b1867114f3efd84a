-- What is deleted is gone for everybody: its ids are used up, and what was sent of it is erased.

-- Ids that are used up. A client chooses the id of a question, and everybody who subscribes to row changes is
-- sent the ids of deleted rows: without this list, anybody could write under the id of somebody else's past.
create table private.used_ids (
  id uuid primary key
);

comment on table private.used_ids is
  'Ids of deleted messages and chat sessions, and nothing else of them. None is ever accepted again, from anybody.';

revoke all on table private.used_ids from public, anon, authenticated, service_role;
alter table private.used_ids enable row level security;

create function private.use_up_id() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  insert into private.used_ids (id) values (old.id) on conflict do nothing;
  return null;
end
$$;
comment on function private.use_up_id() is 'Puts the id of a deleted row on the list of used ids.';
revoke all on function private.use_up_id() from public, anon, authenticated, service_role;

-- After the insert, not before it: a row of the same id that is just being deleted makes the primary key wait
-- for that transaction, and only then is its id in the list.
create function private.refuse_used_id() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  if exists (select from private.used_ids u where u.id = new.id) then
    raise unique_violation using message = 'This id was used before. Take another.';
  end if;
  return null;
end
$$;
comment on function private.refuse_used_id() is 'Refuses a row under a used id, as the primary key refuses one under an id in use.';
revoke all on function private.refuse_used_id() from public, anon, authenticated, service_role;

create trigger use_up_id after delete on public.chat_messages
  for each row execute function private.use_up_id();
create trigger use_up_id after delete on public.chat_sessions
  for each row execute function private.use_up_id();

create trigger refuse_used_id after insert on public.chat_messages
  for each row execute function private.refuse_used_id();
create trigger refuse_used_id after insert on public.chat_sessions
  for each row execute function private.refuse_used_id();

-- What was sent of a chat lies in realtime.messages for days, word for word: no cascade reaches Realtime's own table.
-- So what is deleted is noted, and what was sent of it is erased shortly after, by a worker. Not in the transaction that
-- deletes: that would wait for a look through all that the project has sent, and fail where it fails.
create table private.erasures (
  id uuid primary key,
  session_id uuid not null,
  noted_at timestamptz not null default now()
);

comment on table private.erasures is
  'Chats and messages that were deleted, until what was sent of them is erased from realtime.messages, too.';
comment on column private.erasures.id is 'The chat''s or the message''s.';
comment on column private.erasures.session_id is 'On whose channel it was sent; the same as id where the whole chat was deleted.';

create index erasures_noted_at_idx on private.erasures (noted_at);

comment on index private.erasures_noted_at_idx is 'What is to be erased next.';

revoke all on table private.erasures from public, anon, authenticated, service_role;
-- No policies: nobody but its owner, through functions, ever comes here.
alter table private.erasures enable row level security;

create function private.note_erased_session() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  insert into private.erasures (id, session_id) values (old.id, old.id) on conflict do nothing;
  return null;
end
$$;
comment on function private.note_erased_session() is 'Notes a deleted chat, so that what was sent of it is erased.';
revoke all on function private.note_erased_session() from public, anon, authenticated, service_role;

-- Of a chat that goes as a whole the note above says enough.
create function private.note_erased_messages() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  insert into private.erasures (id, session_id)
  select g.id, g.session_id from gone g join public.chat_sessions s on s.id = g.session_id
  on conflict do nothing;
  return null;
end
$$;
comment on function private.note_erased_messages() is 'Notes messages that were deleted from a chat that stays, so that what was sent of them is erased.';
revoke all on function private.note_erased_messages() from public, anon, authenticated, service_role;

create trigger note_erased_session after delete on public.chat_sessions
  for each row execute function private.note_erased_session();

create trigger note_erased_messages after delete on public.chat_messages
  referencing old table as gone
  for each statement execute function private.note_erased_messages();

create function private.erase_broadcasts() returns jsonb
language plpgsql security definer
set search_path = ''
as $$
declare
  most constant integer := 500;
  noted uuid[];
  ids text[];
  topics text[];
begin
  select array_agg(n.id), array_agg(n.id::text), array_agg(distinct 'chat:' || n.session_id::text)
  into noted, ids, topics
  from (select e.* from private.erasures e order by e.noted_at limit most for update skip locked) as n;
  if noted is not null then
    begin
      delete from realtime.messages m
      where m.extension = 'broadcast' and m.private is true and m.topic = any (topics)
        and (substr(m.topic, 6) = any (ids) or m.payload #>> '{record,id}' = any (ids));
    exception when insufficient_privilege then
      -- Realtime's table, and Realtime's rules: what may not be deleted there is made empty.
      update realtime.messages m set payload = '{}'
      where m.extension = 'broadcast' and m.private is true and m.topic = any (topics)
        and (substr(m.topic, 6) = any (ids) or m.payload #>> '{record,id}' = any (ids));
    end;
    delete from private.erasures e where e.id = any (noted);
  end if;
  return jsonb_build_object(
    'erased', coalesce(cardinality(noted), 0), 'left', (select count(*) from private.erasures));
end
$$;
revoke all on function private.erase_broadcasts() from public, anon, authenticated, service_role;
grant execute on function private.erase_broadcasts() to service_role;

-- PostgREST takes over the limit: where a project sends much, looking through three days of it may take longer than
-- the 8 s of its roles.
create function public.erase_broadcasts() returns jsonb
language sql
set search_path = ''
set statement_timeout = '60s'
begin atomic
  select private.erase_broadcasts();
end;
comment on function public.erase_broadcasts() is
  'For the worker. Erases from realtime.messages what was sent of up to 500 chats and messages that were deleted: {"erased", "left"}: how many of them.';
revoke all on function public.erase_broadcasts() from public, anon, authenticated, service_role;
grant execute on function public.erase_broadcasts() to service_role;
