-- The ledger knows the model of an open call, too: its worker says so with the next renewal,
-- for it may die before it can close the row.

create or replace function private.renew_leases(worker_id uuid, held jsonb, lease_seconds double precision)
returns jsonb
language sql security definer
set search_path = ''
begin atomic
  with wanted as (
    select w.message_id, w.attempt, w.model
    from jsonb_to_recordset(held) as w (message_id uuid, attempt integer, model text)
  ), renewed as (
    update private.reply_queue q set due_at = now() + make_interval(secs => lease_seconds)
    from wanted w
    where q.message_id = w.message_id and q.worker_id = renew_leases.worker_id and q.attempt = w.attempt
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

comment on function public.renew_leases(uuid, jsonb, double precision) is
  'For the worker. held: [{message_id, attempt, model}], the model that is being asked or null. Answers for each: {message_id, attempt, held, cancel_requested}.';
comment on column public.external_api_call_logs.model_requested is
  'The model that was asked; empty: none was, or the worker died before its next renewal told.';
