-- What a chat is made of: its questions but the replaced ones, each with the newest version of its answer.

create view public.current_chat_messages
with (security_invoker = true) -- the caller's row-level security decides; a plain view would show everybody's
as
select m.*
from public.chat_messages m
where not exists (select from public.chat_messages other where other.replaces = coalesce(m.reply_to, m.id))
  and not exists (
    select from public.chat_messages newer where newer.reply_to = m.reply_to and newer.version > m.version);

comment on view public.current_chat_messages is
  'The messages without replaced questions and earlier versions of answers. While a version is being made, and when it fails, the one before it is current. The owner reads.';
comment on column public.current_chat_messages.version is 'Answers only: the newest one stored.';

revoke all on table public.current_chat_messages from public, anon, authenticated, service_role;
grant select on table public.current_chat_messages to authenticated, service_role;
