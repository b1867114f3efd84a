-- Quotas: no user passes their plan, however they ask. Each door (an insert, a retry, a further version) opens a reply
-- or makes one pending, so the look at the plan stands there, beside the flood guard, under the user's lock. What is
-- refused has changed nothing: its statement is undone. A question that was accepted and is sent again comes to
-- its primary key and no further. The service and the dashboard are not limited, and not counted.

-- A PT429 cannot carry headers; this can: PostgREST makes its answer of both JSON texts.
create function private.refuse_quota(limit_name text, most bigint, used bigint, resets_at timestamptz) returns void
language plpgsql
set search_path = ''
as $$
declare
  seconds constant integer := case when resets_at is not null then
    greatest(ceil(extract(epoch from resets_at - now())), 1) end;
  allowed constant text := case limit_name
    when 'questions_per_minute' then '%s questions a minute'
    when 'questions_per_hour' then '%s questions an hour'
    when 'questions_per_day' then '%s questions a day'
    when 'calls_per_day' then '%s questions, retries and further versions a day'
    when 'tokens_per_day' then '%s tokens a day, with those that unfinished answers may still take'
    when 'waiting_at_once' then '%s unfinished answers at a time'
    when 'versions_per_answer' then '%s versions of an answer'
    when 'longest_message' then '%s characters in a question'
    when 'active_chats' then '%s active chats'
    when 'chat_changes_per_minute' then '%s chats opened, archived, reopened or deleted a minute' end;
  in_time constant text := case
    when seconds < 120 then format(' Try again in %s seconds.', seconds)
    when seconds < 7200 then format(' Try again in %s minutes.', ceil(seconds / 60.0))
    when seconds is not null then format(' Try again in %s hours.', ceil(seconds / 3600.0)) end;
begin
  raise sqlstate 'PGRST' using
    message = jsonb_build_object(
      'code', 'quota_exceeded',
      'message', format('Your plan allows ' || allowed || '.', most) || coalesce(in_time, ''),
      'details', jsonb_build_object('limit', limit_name, 'most', most, 'used', used, 'resets_at', resets_at)::text,
      'hint', 'quota_exceeded')::text,
    detail = jsonb_build_object(
      'status', 429,
      'headers', jsonb_strip_nulls(jsonb_build_object('Retry-After', seconds::text)))::text;
end
$$;
comment on function private.refuse_quota(text, bigint, bigint, timestamptz) is
  'Refuses with 429 quota_exceeded: details is JSON, {"limit", "most", "used", "resets_at"}; Retry-After in seconds, where time helps.';
revoke all on function private.refuse_quota(text, bigint, bigint, timestamptz)
  from public, anon, authenticated, service_role;

create function private.refuse_over_quota() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  is_question constant boolean := tg_op = 'INSERT';
  plan public.plans;
  length integer;
  passed record;
begin
  if (select auth.uid()) is null then
    return new;
  end if;
  plan := private.plan_of(new.user_id);
  if not is_question and new.version > plan.versions_per_answer and new.version > old.version then
    perform private.refuse_quota('versions_per_answer', plan.versions_per_answer, old.version, null);
  end if;
  if is_question and plan.longest_message is not null then
    select char_length(m.content) into length from public.chat_messages m where m.id = new.message_id;
    if length > plan.longest_message then
      perform private.refuse_quota('longest_message', plan.longest_message, length, null);
    end if;
  end if;
  -- Of several limits that are passed, the one for which the user has to wait longest.
  select l.* into passed
  from private.limits_of_asking(new.user_id, plan) as l
  where l.used + l.held
      + case l.name when 'tokens_per_day' then (select c.tokens_held_per_reply from public.chat_settings c) else 1 end
      > l.most
    and (is_question or l.name <> 'questions_per_day')
  order by l.resets_at desc nulls last
  limit 1;
  if found then
    perform private.refuse_quota(passed.name, passed.most, passed.used + passed.held, passed.resets_at);
  end if;
  perform private.count_use(new.user_id, asked => 1, questions => is_question::integer, chats_changed => 0);
  return new;
end
$$;
comment on function private.refuse_over_quota() is 'Refuses a question, a retry or a further version over the plan, else counts it.';
revoke all on function private.refuse_over_quota() from public, anon, authenticated, service_role;

create trigger refuse_over_quota before insert on public.chat_replies
  for each row execute function private.refuse_over_quota();

create trigger refuse_over_quota_of_retries before update of status on public.chat_replies
  for each row when (old.status in ('completed', 'failed', 'cancelled') and new.status = 'pending')
  execute function private.refuse_over_quota();

-- Chats, by the plan: how many are active, and how many are opened, archived, reopened or deleted in a minute. None of
-- these calls a model, but each is a message to a channel, and one statement may name all chats of a user: a few of
-- those a second would use up the messages that the whole project may send. The service and the dashboard are not
-- limited.
create function private.limits_of_chats(of_user uuid, plan public.plans)
returns table (name text, most bigint, used bigint, held bigint, resets_at timestamptz)
language plpgsql stable
set search_path = ''
as $$
declare
  this_minute constant timestamptz := date_trunc('minute', now());
begin
  return query
  select l.*
  from (values (0)) as one
  left join private.usage_asked u on u.user_id = of_user
  cross join lateral (values
    ('active_chats', plan.active_chats::bigint,
      (select count(*) from public.chat_sessions s where s.user_id = of_user and s.status = 'active'), 0::bigint,
      null::timestamptz),
    ('chat_changes_per_minute', plan.chat_changes_per_minute,
      case when u.minute >= this_minute then u.chats_changed_in_minute else 0 end, 0, this_minute + interval '1 min')
  ) as l (name, most, used, held, resets_at);
end
$$;
comment on function private.limits_of_chats(uuid, public.plans) is 'What limits the chats of a user, as limits_of_asking.';
revoke all on function private.limits_of_chats(uuid, public.plans) from public, anon, authenticated, service_role;

create function private.limit_chats() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  owner constant uuid := case tg_op when 'DELETE' then old.user_id else new.user_id end;
  becomes_active constant boolean := tg_op <> 'DELETE' and new.status = 'active';
  passed record;
begin
  -- The service and the dashboard; and whoever row-level security is about to refuse learns nothing here.
  if owner is distinct from (select auth.uid()) then
    return coalesce(new, old);
  end if;
  -- It goes with its analysis, or with its owner, whose counters are gone: a function of the project's own by which
  -- people delete their account would be refused for ever.
  if tg_op = 'DELETE' and not exists (
    select from public.post_analyses a where a.id = old.post_analysis_id)
  then
    return old;
  end if;
  perform private.lock_user(owner);
  -- Opened before: the key decides, and open_chat_session reads what is there. Of others' it says nothing.
  if tg_op = 'INSERT' and exists (
    select from public.chat_sessions s where s.post_analysis_id = new.post_analysis_id and s.user_id = owner)
  then
    return new;
  end if;
  select l.* into passed
  from private.limits_of_chats(owner, private.plan_of(owner)) as l
  where l.used + 1 > l.most and (becomes_active or l.name <> 'active_chats')
  order by l.resets_at desc nulls last
  limit 1;
  if found then
    perform private.refuse_quota(passed.name, passed.most, passed.used, passed.resets_at);
  end if;
  perform private.count_use(owner, asked => 0, questions => 0, chats_changed => 1);
  return coalesce(new, old);
end
$$;
comment on function private.limit_chats() is
  'Refuses to open, archive, reopen or delete a chat over the plan of its owner, else counts it.';
revoke all on function private.limit_chats() from public, anon, authenticated, service_role;

create trigger limit_chats before insert or delete on public.chat_sessions
  for each row execute function private.limit_chats();

create trigger limit_changes_of_chats before update of status on public.chat_sessions
  for each row when (old.status is distinct from new.status) execute function private.limit_chats();

-- What of their plan a user has used, for a page that says so before it is used up.
create function private.chat_usage() returns jsonb
language plpgsql stable security definer
set search_path = ''
as $$
declare
  caller constant uuid := (select auth.uid());
  plan constant public.plans := private.plan_of(caller);
begin
  return jsonb_build_object(
    'plan', plan.name,
    'limits', (
      select jsonb_agg(jsonb_build_object(
        'limit', l.name, 'most', l.most, 'used', l.used, 'held', l.held,
        'left', case when l.most is not null then greatest(l.most - l.used - l.held, 0) end,
        'resets_at', l.resets_at))
      from (
        select * from private.limits_of_asking(caller, plan)
        union all
        select * from private.limits_of_chats(caller, plan)
      ) as l));
end
$$;
comment on function private.chat_usage() is 'See public.chat_usage.';
revoke all on function private.chat_usage() from public, anon, authenticated, service_role;
grant execute on function private.chat_usage() to authenticated;

create function public.chat_usage() returns jsonb
language sql stable
set search_path = ''
begin atomic
  select private.chat_usage();
end;
comment on function public.chat_usage() is
  'For users. {"plan", "limits": [{"limit", "most": null is no limit, "used", "held": by unfinished replies, "left", "resets_at": null where time alone changes nothing}]}.';
revoke all on function public.chat_usage() from public, anon, authenticated, service_role;
grant execute on function public.chat_usage() to authenticated;
