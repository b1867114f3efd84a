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

create trigger refuse_over_quota before insert on public.chat_replies
  for each row execute function private.refuse_over_quota();

create trigger refuse_over_quota_of_retries before update of status on public.chat_replies
  for each row when (old.status in ('completed', 'failed', 'cancelled') and new.status = 'pending')
  execute function private.refuse_over_quota();

comment on function private.refuse_quota(text, bigint, bigint, timestamptz) is
  'Refuses with 429 quota_exceeded: details is JSON, {"limit", "most", "used", "resets_at"}; Retry-After in seconds, where time helps.';
comment on function private.refuse_over_quota() is 'Refuses a question, a retry or a further version over the plan, else counts it.';

revoke all on function private.refuse_quota(text, bigint, bigint, timestamptz)
  from public, anon, authenticated, service_role;
revoke all on function private.refuse_over_quota() from public, anon, authenticated, service_role;
