-- What a worker does while it holds replies: keep its leases, and save what it has so far.
-- Two calls, so that a draft which cannot be saved never costs a lease.

create function private.renew_leases(worker_id uuid, held jsonb, lease_seconds double precision) returns jsonb
language sql security definer
set search_path = ''
begin atomic
  with wanted as (
    select w.message_id, w.attempt from jsonb_to_recordset(held) as w (message_id uuid, attempt integer)
  ), renewed as (
    update private.reply_queue q set due_at = now() + make_interval(secs => lease_seconds)
    from wanted w
    where q.message_id = w.message_id and q.worker_id = renew_leases.worker_id and q.attempt = w.attempt
    returning q.message_id, q.cancel_requested_at
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'message_id', w.message_id,
    'attempt', w.attempt,
    'held', r.message_id is not null,
    'cancel_requested', r.cancel_requested_at is not null)), '[]')
  from wanted w
  left join renewed r on r.message_id = w.message_id;
end;

create function private.save_drafts(worker_id uuid, drafts jsonb) returns integer
language sql security definer
set search_path = ''
begin atomic
  with saved as (
    insert into public.chat_reply_drafts as d (message_id, session_id, user_id, attempt, content)
    select r.message_id, r.session_id, r.user_id, w.attempt, w.content
    from jsonb_to_recordset(drafts) as w (message_id uuid, attempt integer, content text)
    join private.reply_queue q on q.message_id = w.message_id and q.worker_id = save_drafts.worker_id
      and q.attempt = w.attempt
    join public.chat_replies r on r.message_id = w.message_id
    -- The draft of a chat that is just being deleted is skipped: it costs neither the others nor the deletion.
    for key share of r skip locked
    on conflict (message_id) do update
      set attempt = excluded.attempt, content = excluded.content, updated_at = now()
      where d.attempt <= excluded.attempt
    returning 1
  )
  select count(*)::integer from saved;
end;

create function public.renew_leases(worker_id uuid, held jsonb, lease_seconds double precision) returns jsonb
language sql
set search_path = ''
begin atomic
  select private.renew_leases(renew_leases.worker_id, renew_leases.held, renew_leases.lease_seconds);
end;

create function public.save_drafts(worker_id uuid, drafts jsonb) returns integer
language sql
set search_path = ''
begin atomic
  select private.save_drafts(save_drafts.worker_id, save_drafts.drafts);
end;

comment on function public.renew_leases(uuid, jsonb, double precision) is
  'For the worker. held: [{message_id, attempt}]. Answers for each: {message_id, attempt, held, cancel_requested}.';
comment on function public.save_drafts(uuid, jsonb) is
  'For the worker. drafts: [{message_id, attempt, content}]. Saves those that it still holds; answers how many.';

revoke all on function private.renew_leases(uuid, jsonb, double precision)
  from public, anon, authenticated, service_role;
revoke all on function private.save_drafts(uuid, jsonb) from public, anon, authenticated, service_role;
revoke all on function public.renew_leases(uuid, jsonb, double precision)
  from public, anon, authenticated, service_role;
revoke all on function public.save_drafts(uuid, jsonb) from public, anon, authenticated, service_role;
grant execute on function private.renew_leases(uuid, jsonb, double precision) to service_role;
grant execute on function private.save_drafts(uuid, jsonb) to service_role;
grant execute on function public.renew_leases(uuid, jsonb, double precision) to service_role;
grant execute on function public.save_drafts(uuid, jsonb) to service_role;
