-- Stuck replies: due for half a minute, and no worker has claimed them. Is a worker running? Does /readyz complain?
select q.message_id, q.session_id, r.status, now() - q.due_at as overdue, now() - q.waiting_since as age, q.calls, q.deaths
from private.reply_queue q
join public.chat_replies r on r.message_id = q.message_id
where q.worker_id is null and q.due_at < now() - interval '30 seconds'
order by q.due_at;
