-- The claim: what is due, in the order of place, each to one worker only, with all that is needed to answer it.

-- What a prompt can use of a value from outside: not too long, and not so deep that reading it ends a process.
create function private.usable_part(value jsonb) returns jsonb
language plpgsql immutable
set search_path = ''
as $$
begin
  return case when pg_column_size(value) <= 65536 and octet_length(value::text) <= 65536 and not jsonb_path_exists(value, '$.**{16}') then value end;
end
$$;

-- Of a value that is not usable as a whole: its first entries, without those that are not usable themselves.
-- Null: none is, or reading it would take too long.
create function private.first_entries(value jsonb) returns jsonb
language plpgsql immutable
set search_path = ''
as $$
declare
  unpacked jsonb;
begin
  if pg_column_size(value) > 4000000 then
    return null;
  elsif jsonb_typeof(value) = 'array' then
    unpacked := value || '[]'; -- once, and not again for each entry
    return (
      select jsonb_agg(entry.part order by entry.n)
      from (
        select e.n, e.part, sum(octet_length(e.part::text) + 2) over (order by e.n) as bytes
        from (select n, private.usable_part(unpacked -> n) as part from generate_series(0, 999) as n) as e
        where e.part is not null
      ) as entry
      where entry.bytes <= 65536);
  elsif jsonb_typeof(value) = 'object' then
    unpacked := value || '{}';
    return (
      select jsonb_object_agg(entry.name, entry.part)
      from (
        select e.n, e.name, e.part,
          sum(octet_length(to_jsonb(e.name)::text) + octet_length(e.part::text) + 4) over (order by e.n) as bytes
        from (
          select k.n, k.name, private.usable_part(unpacked -> k.name) as part
          from jsonb_object_keys(unpacked) with ordinality as k(name, n)
          where k.n <= 1000 and octet_length(k.name) <= 2000
        ) as e
        where e.part is not null
      ) as entry
      where entry.bytes <= 65536);
  end if;
  return null;
end
$$;

-- Of how many entries first_entries has taken some; -1: too many to be counted.
create function private.count_entries(value jsonb) returns integer
language plpgsql immutable
set search_path = ''
as $$
begin
  -- The size by itself: a statement with a query in it has its arguments unpacked beforehand.
  if pg_column_size(value) > 4000000 then
    return -1;
  elsif jsonb_typeof(value) = 'array' then
    return jsonb_array_length(value);
  end if;
  return (select count(*) from jsonb_object_keys(value));
end
$$;

-- As text, so that a context that cannot be read spoils one reply, and not the whole claim. In plpgsql, which keeps
-- its plans: a function in sql is planned anew for each row of a claim, since each row has a block of its own.
--
-- Bounded, so that no claim can become too large for jsonb (256 MB): 16 kB of question, 1 MB of history, 217 kB of
-- texts of the post, 160 kB of the analysis and five values of 64 kB, together 1,730 kB of UTF-8; as JSON within JSON
-- at most six times that, and twenty replies of it are 208 MB. What a prompt of 32,000 tokens can use is a tenth.
-- What was cut is told by 'wholes': the characters of each text, and the entries of each value that is not all there.
create function private.reply_context(of_message uuid) returns text
language plpgsql stable
set search_path = ''
as $$
begin
  return (
    select jsonb_build_object(
      'question', question.content,
      -- Answered questions and their answers: the newest twenty before this one, whatever came after it, and of these
      -- the newest of a megabyte together. (octet_length reads no text that is stored apart.)
      'history', coalesce((
        select jsonb_agg(jsonb_build_object('role', h.role, 'content', h.content) order by h.turn, h.role desc)
        from (
          select newest.*, sum(octet_length(newest.content)) over (order by newest.turn desc, newest.role) as bytes
          from (
            select m.turn, m.role, m.content
            from public.current_chat_messages m
            where m.session_id = question.session_id and m.turn < question.turn
              and (m.role = 'assistant' or exists (select from public.chat_messages a where a.reply_to = m.id))
            order by m.turn desc, m.role
            limit 20
          ) as newest
        ) as h
        where h.bytes <= 1000000), '[]'),
      'posts', jsonb_build_array(jsonb_build_object(
        'id', p.id, 'platform', left(p.platform, 200), 'url', left(p.url, 2000), 'creator', left(p.creator, 2000),
        'caption', left(p.caption, 50000), 'posted_at', p.posted_at, 'created_at', p.created_at,
        'metrics', coalesce(usable.metrics, private.first_entries(p.metrics), '{}'),
        'media', coalesce(usable.media, private.first_entries(p.media), '[]'),
        'wholes', jsonb_build_object(
          'platform', length(p.platform), 'url', length(p.url), 'creator', length(p.creator),
          'caption', length(p.caption),
          'metrics', case when usable.metrics is null then private.count_entries(p.metrics) end,
          'media', case when usable.media is null then private.count_entries(p.media) end))),
      'analyses', jsonb_build_array(jsonb_build_object(
        'id', a.id, 'post_id', a.post_id, 'created_at', a.created_at,
        'creator_context', left(a.creator_context, 20000), 'viral_status', left(a.viral_status, 20000),
        'quick_takeaways', coalesce(usable.quick_takeaways, private.first_entries(a.quick_takeaways), '[]'),
        'frameworks', coalesce(usable.frameworks, private.first_entries(a.frameworks), '[]'),
        'key_insights', coalesce(usable.key_insights, private.first_entries(a.key_insights), '[]'),
        'wholes', jsonb_build_object(
          'creator_context', length(a.creator_context), 'viral_status', length(a.viral_status),
          'quick_takeaways', case when usable.quick_takeaways is null then private.count_entries(a.quick_takeaways) end,
          'frameworks', case when usable.frameworks is null then private.count_entries(a.frameworks) end,
          'key_insights', case when usable.key_insights is null then private.count_entries(a.key_insights) end))))::text
    from public.chat_messages question
    join public.chat_sessions session on session.id = question.session_id
    join public.post_analyses a on a.id = session.post_analysis_id
    join public.posts p on p.id = a.post_id
    cross join lateral (
      select
        private.usable_part(p.metrics) as metrics, private.usable_part(p.media) as media,
        private.usable_part(a.quick_takeaways) as quick_takeaways, private.usable_part(a.frameworks) as frameworks,
        private.usable_part(a.key_insights) as key_insights
      offset 0 -- each is looked at once
    ) as usable
    where question.id = of_message);
end
$$;

-- Of two claims at the same moment one may be left out: it is a matter of order alone, and waits for nobody.
create function private.note_place(of_user uuid, served bigint) returns void
language plpgsql
set search_path = ''
as $$
begin
  perform from private.served_places s where s.user_id = of_user for no key update skip locked;
  if found then
    update private.served_places s set place = greatest(s.place, served) where s.user_id = of_user;
  end if;
end
$$;

comment on function private.note_place(uuid, bigint) is 'Notes with which place a reply of a user was claimed.';
revoke all on function private.note_place(uuid, bigint) from public, anon, authenticated, service_role;

-- The caller has locked the row of the queue. Null: somebody else has locked the reply just now.
create function private.take_reply(
  due private.reply_queue, for_worker uuid, for_claim bigint, was_freed_just_now boolean
) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  reply public.chat_replies;
begin
  perform from public.chat_replies r where r.message_id = due.message_id for no key update skip locked;
  if not found then
    return null;
  end if;
  if was_freed_just_now then
    -- A row that is updated twice in one transaction has its foreign keys looked at: they would wait for whoever holds
    -- the session or the question.
    perform from public.chat_sessions s
    join public.chat_messages m on m.session_id = s.id
    where m.id = due.message_id
    for key share skip locked;
    if not found then
      return null;
    end if;
  end if;
  update private.reply_queue q
  set worker_id = for_worker, claim = for_claim, claimed_at = now(), attempt = q.attempt + 1, over_plan_since = null
  where q.session_id = due.session_id;
  update public.chat_replies r set status = 'answering', attempt = due.attempt + 1
  where r.message_id = due.message_id
  returning * into reply;
  perform private.open_call(reply, for_worker);
  perform private.note_place(reply.user_id, due.place);
  return jsonb_build_object(
    'message_id', reply.message_id,
    'session_id', reply.session_id,
    'user_id', reply.user_id,
    'attempt', reply.attempt,
    'version', reply.version,
    'calls_left', private.max_calls() - due.calls,
    'waiting_ms', round(extract(epoch from now() - due.waiting_since) * 1000)::bigint,
    'models', (private.plan_of(reply.user_id)).models,
    'context', private.reply_context(due.message_id));
end
$$;

-- A row that is due and cannot be taken: settled as failed, or set aside where even that raises.
-- What passes by itself leaves it as it was. Says what became of it: settled, set_aside or left.
create function private.settle_what_raises(due private.reply_queue, error_state text) returns text
language plpgsql
set search_path = ''
as $$
begin
  if private.is_passing(error_state) then
    return 'left';
  end if;
  if not private.lock_reply_at_once(due.message_id, with_session => true) then
    return 'left';
  end if;
  update public.chat_replies r set status = 'failed', error_code = 'internal' where r.message_id = due.message_id;
  return 'settled';
exception when others then
  if private.is_passing(sqlstate) then
    return 'left';
  end if;
  perform private.set_aside(due);
  return 'set_aside';
end
$$;

-- Stopped while its chat was locked by somebody else: the one thing that a due row may still wait for.
create function private.settle_stopped(due private.reply_queue) returns boolean
language plpgsql
set search_path = ''
as $$
begin
  if not private.lock_reply_at_once(due.message_id, with_session => true) then
    return false;
  end if;
  perform private.settle_cancelled(due.message_id);
  return true;
end
$$;

create function private.next_due_in_ms(for_worker private.workers) returns integer
language plpgsql stable
set search_path = ''
as $$
begin
  return (
    select ceil(extract(epoch from min(next.at) - now()) * 1000)::integer
    from (
      (select q.due_at as at from private.reply_queue q
        where q.worker_id is null and q.due_at > now() order by q.due_at limit 1)
      union all
      -- When what a silent worker holds may be taken from it.
      (select greatest(
          w.alive_until, for_worker.heard_since + make_interval(secs => for_worker.alive_seconds), now() + interval '100 ms')
        from private.workers w
        where w.id <> for_worker.id and exists (select from private.reply_queue q where q.worker_id = w.id))
    ) as next);
end
$$;

create function private.claim_replies(worker_id uuid, claim bigint, max_replies integer) returns jsonb
language plpgsql security definer
set search_path = ''
as $$
declare
  -- Each row takes two subtransactions, its block and that of its broadcast; a backend has room for 64.
  most integer := least(max_replies, 20);
  most_tried constant integer := 40;
  wanted integer;
  picked integer;
  tried integer := 0;
  looked_at uuid[] := '{}';
  is_alone boolean := false;
  has_buried boolean := false;
  has_put_off boolean := false;
  room text;
  me private.workers;
  is_free boolean;
  is_full boolean;
  due private.reply_queue;
  reply jsonb;
  claimed jsonb[] := '{}';
  fate text;
  refused jsonb := '{}';
  look_again_in_ms integer;
begin
  select * into me from private.workers w
  where w.id = claim_replies.worker_id and w.alive_until > now()
  for key share skip locked;
  if not found then
    return '{"alive": false, "replies": [], "next_due_in_ms": null, "refused": {}}';
  end if;
  select count(*) = 0, coalesce(bool_or(q.deaths + 1 >= private.max_deaths()), false) into is_free, is_full
  from private.reply_queue q where q.worker_id = me.id;
  if claim_replies.claim <= me.claims_known or is_full then
    -- Its worker has given this claim up, so that its answer is not awaited; or it holds what others have died of.
    most := 0;
  elsif private.bury_workers(me) > 0 then
    has_buried := true;
    look_again_in_ms := 0; -- there may be more of them
  end if;

  -- Once, usually. What cannot be taken is passed by: it takes no place of another, however often it comes first.
  while cardinality(claimed) < most and tried < most_tried and not is_alone loop
    wanted := least(most - cardinality(claimed), most_tried - tried);
    picked := 0;
    for due in
      select q.* from private.reply_queue q
      where q.worker_id is null and q.due_at <= now() and q.session_id <> all (looked_at)
      order by q.place, q.due_at
      limit wanted
      for update skip locked
    loop
      picked := picked + 1;
      looked_at := looked_at || due.session_id;
      if due.deaths + 1 >= private.max_deaths() and not (is_free and claimed = '{}') then
        continue; -- the next worker that dies of it ends it: that one must hold nothing else
      end if;
      tried := tried + 1;
      fate := 'locked';
      reply := null;
      begin
        if due.cancel_requested_at is not null then
          if private.settle_stopped(due) then
            fate := 'settled';
          end if;
        else
          room := private.room_for_reply(due.user_id);
          if room = 'room' then
            reply := private.take_reply(due, me.id, claim_replies.claim, has_buried);
          elsif room = 'none' then
            perform private.put_off(due);
            fate := 'put_off';
          end if;
        end if;
      exception when others then
        reply := null;
        fate := private.settle_what_raises(due, sqlstate);
        refused := jsonb_set(refused, array[fate], to_jsonb(coalesce((refused ->> fate)::integer, 0) + 1));
      end;
      if fate = 'settled' then
        look_again_in_ms := 0; -- the session's next reply is due by now
      elsif fate = 'put_off' then
        has_put_off := true;
      elsif reply is null and fate <> 'set_aside' then
        look_again_in_ms := coalesce(look_again_in_ms, 500);
      elsif reply is not null then
        claimed := claimed || reply;
        is_alone := due.deaths + 1 >= private.max_deaths();
        exit when is_alone;
      end if;
    end loop;
    exit when picked < wanted;
  end loop;
  if has_put_off and tried >= most_tried then
    look_again_in_ms := 0; -- behind these may be others that are due
  end if;

  return jsonb_build_object(
    'alive', true,
    'replies', to_jsonb(claimed),
    'next_due_in_ms', coalesce(look_again_in_ms, private.next_due_in_ms(me)),
    'refused', refused);
end
$$;

create function public.claim_replies(worker_id uuid, claim bigint, max_replies integer) returns jsonb
language sql
set search_path = ''
begin atomic
  select private.claim_replies(claim_replies.worker_id, claim_replies.claim, claim_replies.max_replies);
end;

comment on function private.usable_part(jsonb) is 'The value; null where it has more than 64 kB or 15 levels.';
comment on function private.first_entries(jsonb) is
  'Of a value that is not usable: its first entries, 64 kB at most, without those that are not usable. Null: none.';
comment on function private.count_entries(jsonb) is 'The entries of a list or an object; -1: too many to be counted.';
comment on function private.reply_context(uuid) is
  'What the prompt is made of, as JSON text: {"question", "history", "posts", "analyses"}. In a post or an analysis, wholes: {name: characters of a text as it is stored, or entries of a value that is not all there, else null}.';
comment on function private.take_reply(private.reply_queue, uuid, bigint, boolean) is 'Gives one due reply to a worker. Null: somebody else has locked it just now. was_freed_just_now: by this very transaction, perhaps.';
comment on function private.settle_what_raises(private.reply_queue, text) is
  'Settles a due reply as failed (internal) because the database raises an error for it.';
comment on function private.settle_stopped(private.reply_queue) is 'Settles a due reply that its author has stopped; false: its chat is locked just now.';
comment on function private.next_due_in_ms(private.workers) is 'Milliseconds until another reply may be due for this worker; null: none is known.';
comment on function public.claim_replies(uuid, bigint, integer) is
  'For the worker. Takes up to max_replies due replies, 20 at most: {"alive", "replies": [{message_id, session_id, user_id, attempt, version, calls_left, waiting_ms, context}], "next_due_in_ms": milliseconds until the next one may be due, or null, "refused": {"settled", "set_aside", "left": rows for which the database raised an error}}. claim: 1, 2, 3 … for each worker. alive false: not registered, or silent for too long.';

revoke all on function private.usable_part(jsonb) from public, anon, authenticated, service_role;
revoke all on function private.first_entries(jsonb) from public, anon, authenticated, service_role;
revoke all on function private.count_entries(jsonb) from public, anon, authenticated, service_role;
revoke all on function private.reply_context(uuid) from public, anon, authenticated, service_role;
revoke all on function private.take_reply(private.reply_queue, uuid, bigint, boolean) from public, anon, authenticated, service_role;
revoke all on function private.settle_what_raises(private.reply_queue, text) from public, anon, authenticated, service_role;
revoke all on function private.settle_stopped(private.reply_queue) from public, anon, authenticated, service_role;
revoke all on function private.next_due_in_ms(private.workers) from public, anon, authenticated, service_role;
revoke all on function private.claim_replies(uuid, bigint, integer) from public, anon, authenticated, service_role;
revoke all on function public.claim_replies(uuid, bigint, integer) from public, anon, authenticated, service_role;
grant execute on function private.claim_replies(uuid, bigint, integer) to service_role;
grant execute on function public.claim_replies(uuid, bigint, integer) to service_role;
