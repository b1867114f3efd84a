-- The twenty slowest answers of the last seven days, from the question to the stored answer.
select r.message_id, r.session_id, r.finished_at - r.created_at as whole, 
  (select count(*) from public.external_api_call_logs c where c.message_id = r.message_id and c.outcome <> 'claimed') as calls,
  l.model_version, l.first_token_ms, l.latency_ms
from public.chat_replies r
join public.external_api_call_logs l on l.message_id = r.message_id and l.attempt = r.attempt
where r.status = 'completed' and r.created_at > now() - interval '7 days'
order by whole desc
limit 20;
