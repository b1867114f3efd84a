-- A chat that is archived, reopened or deleted on one device tells the others, over its own channel.

create function private.broadcast_session() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  perform realtime.send(
    jsonb_build_object('record', case when tg_op = 'DELETE' then null else to_jsonb(new) end),
    'session', 'chat:' || old.id::text, true);
  return null;
end
$$;

create trigger broadcast_session after update of status on public.chat_sessions
  for each row when (old.status is distinct from new.status) execute function private.broadcast_session();

create trigger broadcast_deleted_session after delete on public.chat_sessions
  for each row execute function private.broadcast_session();

comment on function private.broadcast_session() is
  'Event session, {"record": the row, or null when it was deleted}, to the session''s channel.';

revoke all on function private.broadcast_session() from public, anon, authenticated, service_role;
