-- Who hears and who speaks on our channels: chat:worker and chat:<session id>.
-- Policies compare the row's topic as text: it is what a message is delivered by, and it never fails to cast.

-- A definer, and everybody may execute it: whoever asks, also a role of the project's own that may not read
-- chat_sessions, gets an answer and no error, and it says nothing of anybody but the caller.
create function private.is_own_channel(topic text) returns boolean
language sql stable security definer
set search_path = ''
begin atomic
  select exists (
    select from public.chat_sessions s
    where s.user_id = (select auth.uid()) and is_own_channel.topic = 'chat:' || s.id::text);
end;

create policy "Owners hear their chat sessions" on realtime.messages
  for select to authenticated
  using (extension = 'broadcast' and private.is_own_channel(topic));

-- Policies are OR-ed, and many projects allow everything here, some to roles of their own. These are AND-ed with
-- whatever there is, for every role, and they touch no other topic.
create policy "Nobody else hears chat sessions or the worker" on realtime.messages
  as restrictive for select to public
  using (
    topic !~* '^chat:(worker|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$' or private.is_own_channel(topic)
  );

create policy "Only the database and the worker speak in chat sessions" on realtime.messages
  as restrictive for insert to public
  with check (topic !~* '^chat:(worker|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$');

-- What is replayed is read from here: nobody changes it, or makes it of what was said elsewhere.
create policy "Nobody changes what was said in chat sessions" on realtime.messages
  as restrictive for update to public
  using (topic !~* '^chat:(worker|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$');

comment on function private.is_own_channel(text) is 'Whether the topic is that of one of the caller''s own chats.';

revoke all on function private.is_own_channel(text) from public, anon, authenticated, service_role;
-- A policy is checked with the rights of whoever meets it, and these meet every role.
grant execute on function private.is_own_channel(text) to public;

-- A plain postgres_changes subscription works too, under the same row-level security.
do $$
begin
  if exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime' and not puballtables) then
    alter publication supabase_realtime add table public.chat_messages, public.chat_replies;
  end if;
end
$$;
