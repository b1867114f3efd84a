-- The twenty slowest answers of the last seven days, from when each was asked for to the stored answer.
select r.message_id, r.session_id, r.finished_at - r.pending_since as whole,
  (select count(*) from public.external_api_call_logs c where c.message_id = r.message_id and c.outcome <> 'claimed') as calls,
  l.model_version, l.first_token_ms, l.latency_ms
from public.external_api_call_logs l
join public.chat_replies r on r.message_id = l.message_id and r.attempt = l.attempt
where r.status = 'completed' and l.outcome = 'ok' and l.started_at > now() - interval '7 days'
order by whole desc
limit 20;
