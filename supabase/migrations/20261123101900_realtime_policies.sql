-- Who hears and who speaks on our channels: chat:worker and chat:<session id>.
-- Policies compare the row's topic as text: it is what a message is delivered by, and it never fails to cast.

create policy "Owners hear their chat sessions" on realtime.messages
  for select to authenticated
  using (
    extension = 'broadcast'
    and exists (
      select from public.chat_sessions s
      where s.user_id = (select auth.uid()) and topic = 'chat:' || s.id::text
    )
  );

-- Policies are OR-ed, and many projects allow everything here. These are AND-ed with whatever there is,
-- and they touch no other topic. anon has one of its own: it may not read chat_sessions, and a policy
-- that asked there would break every topic for it.
create policy "Nobody else hears chat sessions or the worker" on realtime.messages
  as restrictive for select to authenticated
  using (
    topic !~* '^chat:(worker|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$'
    or exists (
      select from public.chat_sessions s
      where s.user_id = (select auth.uid()) and topic = 'chat:' || s.id::text
    )
  );

create policy "Nobody hears chat sessions or the worker unless signed in" on realtime.messages
  as restrictive for select to anon
  using (topic !~* '^chat:(worker|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$');

create policy "Only the database and the worker speak in chat sessions" on realtime.messages
  as restrictive for insert to anon, authenticated
  with check (topic !~* '^chat:(worker|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$');

-- A plain postgres_changes subscription works too, under the same row-level security.
do $$
begin
  if exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime' and not puballtables) then
    alter publication supabase_realtime add table public.chat_messages, public.chat_replies;
  end if;
end
$$;
