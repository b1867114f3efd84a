-- Changes rows: answers again what failed by a defect in the last day. One alone: set its status in the table editor.
update public.chat_replies
set status = 'pending'
where status = 'failed' and error_code = 'internal' and finished_at > now() - interval '1 day'
returning message_id, session_id;
