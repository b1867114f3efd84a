-- No row changes: takes our tables out of Realtime's publication, so that plain postgres_changes tell nobody of them.
-- The page, its client and the worker need none. To put them back, say "add table" in place of "drop table".
alter publication supabase_realtime drop table public.chat_messages, public.chat_replies;
