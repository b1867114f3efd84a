-- Whoever holds several queue rows at once locks them in the order of their sessions. Two workers, each with rows
-- that the other has just lost, would wait for each other otherwise.

create or replace function private.renew_leases(worker_id uuid, held jsonb, lease_seconds double precision)
returns jsonb
language sql security definer
set search_path = ''
begin atomic
  with wanted as (
    select w.message_id, w.attempt, w.model
    from jsonb_to_recordset(held) as w (message_id uuid, attempt integer, model text)
  ), locked as (
    select q.session_id
    from private.reply_queue q
    join wanted w on w.message_id = q.message_id and w.attempt = q.attempt
    where q.worker_id = renew_leases.worker_id
    order by q.session_id
    for update of q
  ), renewed as (
    update private.reply_queue q set due_at = now() + make_interval(secs => lease_seconds)
    from locked l
    where q.session_id = l.session_id
    returning q.message_id, q.attempt, q.cancel_requested_at
  ), named as (
    update public.external_api_call_logs l set model_requested = w.model
    from wanted w
    join renewed r on r.message_id = w.message_id and r.attempt = w.attempt
    where l.message_id = w.message_id and l.attempt = w.attempt and l.outcome = 'started'
      and l.model_requested is null and w.model is not null -- once for each call
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'message_id', w.message_id,
    'attempt', w.attempt,
    'held', r.message_id is not null,
    'cancel_requested', r.cancel_requested_at is not null)), '[]')
  from wanted w
  left join renewed r on r.message_id = w.message_id;
end;

create or replace function private.release_replies(worker_id uuid) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  claim private.reply_queue;
  released integer := 0;
begin
  for claim in
    select q.* from private.reply_queue q where q.worker_id = release_replies.worker_id
    order by q.session_id for update
  loop
    perform private.lose_call(claim.message_id);
    update private.reply_queue q set worker_id = null, due_at = now(), tries = greatest(q.tries - 1, 0)
    where q.session_id = claim.session_id;
    update public.chat_replies r set status = 'pending' where r.message_id = claim.message_id;
    released := released + 1;
  end loop;
  return released;
end
$$;
