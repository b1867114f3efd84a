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

create trigger use_up_id after delete on public.chat_messages
  for each row execute function private.use_up_id();
create trigger use_up_id after delete on public.chat_sessions
  for each row execute function private.use_up_id();

create trigger refuse_used_id after insert on public.chat_messages
  for each row execute function private.refuse_used_id();
create trigger refuse_used_id after insert on public.chat_sessions
  for each row execute function private.refuse_used_id();

comment on function private.use_up_id() is 'Puts the id of a deleted row on the list of used ids.';
comment on function private.refuse_used_id() is 'Refuses a row under a used id, as the primary key refuses one under an id in use.';

revoke all on function private.use_up_id() from public, anon, authenticated, service_role;
revoke all on function private.refuse_used_id() from public, anon, authenticated, service_role;
