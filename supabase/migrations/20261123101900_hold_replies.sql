-- What a worker does while it holds replies: show that it lives, save what it has so far, give back what it
-- could not ask, and release all when it stops. What is locked by somebody else is skipped, and asked again: none of
-- these waits for any lock, but for the release, which waits for the worker's own claim.

create function private.give_back(
  worker_id uuid, replies jsonb, due_in double precision
) returns integer
language plpgsql security definer
set search_path = ''
as $$
declare
  held private.reply_queue;
  given integer := 0;
begin
  for held in
    select q.* from private.reply_queue q
    join jsonb_to_recordset(replies) as g (message_id uuid, attempt integer)
      on g.message_id = q.message_id and g.attempt = q.attempt
    where q.worker_id = give_back.worker_id
    order by q.place limit 20 for update of q skip locked
  loop
    given := given + private.try_to_free(held, due_in)::integer;
  end loop;
  return given;
end
$$;
revoke all on function private.give_back(uuid, jsonb, double precision) from public, anon, authenticated, service_role;
grant execute on function private.give_back(uuid, jsonb, double precision) to service_role;

create function private.name_models(worker_id uuid, asking jsonb) returns void
language plpgsql
set search_path = ''
as $$
begin
  update public.external_api_call_logs l set outcome = 'started', model_requested = named.model
  from (
    select l.message_id, l.attempt, a.model
    from jsonb_to_recordset(asking) as a (message_id uuid, attempt integer, model text)
    join public.external_api_call_logs l on l.message_id = a.message_id and l.attempt = a.attempt
    where l.worker_id = name_models.worker_id and l.outcome = 'claimed'
    for no key update of l skip locked
  ) as named
  where l.message_id = named.message_id and l.attempt = named.attempt;
end
$$;
comment on function private.name_models(uuid, jsonb) is 'Makes calls of what the worker says that it is asking.';
revoke all on function private.name_models(uuid, jsonb) from public, anon, authenticated, service_role;

create function private.beat(
  worker_id uuid, alive_seconds double precision, claims_known bigint, models_closed_seconds double precision,
  held uuid[], attempts integer[], asking jsonb
) returns jsonb
language plpgsql security definer
set search_path = ''
as $$
declare
  me private.workers;
  lost jsonb;
  cancelled jsonb;
  left_over uuid[];
  missing private.reply_queue;
begin
  select * into me from private.workers w where w.id = beat.worker_id for no key update skip locked;
  if not found and exists (select from private.workers w where w.id = beat.worker_id) then
    -- Somebody buries or releases it at this moment. What came of it is known with the next beat.
    raise lock_not_available using message = 'The worker''s row is locked just now.';
  end if;
  if me.id is null or me.alive_until = '-infinity' then
    return '{"alive": false, "workers": 0, "lost": [], "cancel_requested": []}';
  end if;

  update private.workers w
  set alive_until = now() + make_interval(secs => beat.alive_seconds), alive_seconds = beat.alive_seconds,
    heard_since = case when w.alive_until < now() then now() else w.heard_since end,
    claims_known = greatest(w.claims_known, beat.claims_known),
    models_open_at = now() + make_interval(secs => nullif(beat.models_closed_seconds, 0))
  where w.id = me.id;

  -- Claimed, and not in the worker's hands: the claim's answer got lost, or the work was given up. By the message and
  -- never by the attempt, since the answer of next_attempt may be on its way.
  select
    coalesce(jsonb_agg(jsonb_build_object('message_id', h.message_id, 'attempt', h.attempt))
      filter (where h.message_id is not null and h.attempt is distinct from q.attempt), '[]'),
    coalesce(jsonb_agg(h.message_id) filter (where q.cancel_requested_at is not null and h.message_id is not null), '[]'),
    array_agg(q.session_id) filter (where h.message_id is null and q.claim <= beat.claims_known)
  into lost, cancelled, left_over
  from unnest(held, attempts) as h (message_id, attempt)
  full join (
    select r.session_id, r.message_id, r.attempt, r.claim, r.cancel_requested_at
    from private.reply_queue r
    where r.worker_id = me.id
  ) as q on q.message_id = h.message_id
  where h.message_id is null or h.attempt is distinct from q.attempt or q.cancel_requested_at is not null;

  for missing in
    select q.* from private.reply_queue q
    where q.session_id = any (left_over) and q.worker_id = me.id and q.claim <= beat.claims_known
    order by q.place limit 20 for update skip locked
  loop
    perform private.try_to_free(missing);
  end loop;

  if jsonb_array_length(asking) > 0 then
    perform private.name_models(me.id, asking);
  end if;
  return jsonb_build_object(
    'alive', true, 'workers', private.living_workers(), 'lost', lost, 'cancel_requested', cancelled);
end
$$;
revoke all on function private.beat(uuid, double precision, bigint, double precision, uuid[], integer[], jsonb)
  from public, anon, authenticated, service_role;
grant execute on function private.beat(uuid, double precision, bigint, double precision, uuid[], integer[], jsonb) to service_role;

-- The fence is the queue's row for share: not while a settle or the next attempt has it, and not once it is gone.
create function private.save_drafts(worker_id uuid, pieces jsonb) returns jsonb
language sql security definer
set search_path = ''
begin atomic
  with held as (
    select q.message_id, q.attempt
    from private.reply_queue q
    where q.worker_id = save_drafts.worker_id
      and q.message_id in (select p.message_id from jsonb_to_recordset(pieces) as p (message_id uuid))
    for share of q skip locked
  ), saved as (
    insert into private.draft_pieces (message_id, attempt, version, starts_at, content)
    select p.message_id, p.attempt, p.version, p.starts_at, p.content
    from jsonb_to_recordset(pieces) as p (
      message_id uuid, attempt integer, version integer, starts_at integer, content text)
    join held h on h.message_id = p.message_id and h.attempt = p.attempt
    where p.content <> ''
    on conflict do nothing
    returning message_id, attempt, starts_at + char_length(content) as ends_at
  )
  select coalesce(jsonb_agg(jsonb_build_object('message_id', h.message_id, 'attempt', h.attempt, 'stored', greatest(
    (select max(s.ends_at) from saved s where s.message_id = h.message_id),
    -- Saved before, and its answer got lost.
    (select max(d.starts_at + char_length(d.content)) from private.draft_pieces d
      where d.message_id = h.message_id and d.attempt = h.attempt)))), '[]')
  from held h;
end;
revoke all on function private.save_drafts(uuid, jsonb) from public, anon, authenticated, service_role;
grant execute on function private.save_drafts(uuid, jsonb) to service_role;

create function public.beat(
  worker_id uuid, alive_seconds double precision, claims_known bigint, models_closed_seconds double precision,
  held uuid[], attempts integer[], asking jsonb
) returns jsonb
language sql
set search_path = ''
begin atomic
  select private.beat(
    beat.worker_id, beat.alive_seconds, beat.claims_known, beat.models_closed_seconds, beat.held, beat.attempts,
    beat.asking);
end;
comment on function public.beat(uuid, double precision, bigint, double precision, uuid[], integer[], jsonb) is
  'For the worker, once a second: it lives for alive_seconds more. claims_known: its last claim whose answer it has or has given up; what it holds by those and does not name goes back. models_closed_seconds: until it may ask a model again, or null. held, attempts: the messages that it holds, and each one''s attempt. asking: [{message_id, attempt, model}], calls that it has begun since the last beat. {"alive": false: buried, register anew, "workers", "lost": [{message_id, attempt}] of those held, "cancel_requested": [message_id]}.';
revoke all on function public.beat(uuid, double precision, bigint, double precision, uuid[], integer[], jsonb)
  from public, anon, authenticated, service_role;
grant execute on function public.beat(uuid, double precision, bigint, double precision, uuid[], integer[], jsonb) to service_role;

create function public.give_back(worker_id uuid, replies jsonb, due_in double precision) returns integer
language sql
set search_path = ''
begin atomic
  select private.give_back(give_back.worker_id, give_back.replies, give_back.due_in);
end;
comment on function public.give_back(uuid, jsonb, double precision) is
  'For the worker: claimed, and no model was asked. replies: [{message_id, attempt}]; due again in due_in seconds, uncounted. Answers how many were given back.';
revoke all on function public.give_back(uuid, jsonb, double precision) from public, anon, authenticated, service_role;
grant execute on function public.give_back(uuid, jsonb, double precision) to service_role;

create function public.save_drafts(worker_id uuid, pieces jsonb) returns jsonb
language sql
set search_path = ''
begin atomic
  select private.save_drafts(save_drafts.worker_id, save_drafts.pieces);
end;
comment on function public.save_drafts(uuid, jsonb) is
  'For the worker. pieces: [{message_id, attempt, version, starts_at, content}], in characters. Answers up to where each is stored: [{message_id, attempt, stored}]; what is missing there is locked just now, or not held.';
revoke all on function public.save_drafts(uuid, jsonb) from public, anon, authenticated, service_role;
grant execute on function public.save_drafts(uuid, jsonb) to service_role;

-- For update: so it waits for a claim of this worker that is still under way, and sees what that has taken.
create function private.release_replies(worker_id uuid) returns jsonb
language plpgsql security definer
set search_path = ''
set lock_timeout = '1s'
as $$
declare
  held private.reply_queue;
  released integer := 0;
  left_over integer;
begin
  perform from private.workers w where w.id = release_replies.worker_id for update;
  update private.workers w set alive_until = '-infinity', is_leaving = true where w.id = release_replies.worker_id;
  for held in
    select q.* from private.reply_queue q where q.worker_id = release_replies.worker_id
    order by q.place limit 20 for update skip locked
  loop
    released := released + private.try_to_free(held, counts_call => false)::integer;
  end loop;
  select count(*) into left_over from private.reply_queue q where q.worker_id = release_replies.worker_id;
  if left_over = 0 then
    delete from private.workers w where w.id = release_replies.worker_id;
  end if;
  return jsonb_build_object('released', released, 'left', left_over);
end
$$;
revoke all on function private.release_replies(uuid) from public, anon, authenticated, service_role;
grant execute on function private.release_replies(uuid) to service_role;

create function public.release_replies(worker_id uuid) returns jsonb
language sql
set search_path = ''
begin atomic
  select private.release_replies(release_replies.worker_id);
end;
comment on function public.release_replies(uuid) is
  'For a worker that stops: what it holds is due again at once, and its id is used up. {"released", "left": locked by somebody else, ask again}.';
revoke all on function public.release_replies(uuid) from public, anon, authenticated, service_role;
grant execute on function public.release_replies(uuid) to service_role;
