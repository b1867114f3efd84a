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

create trigger limit_chats before insert or delete on public.chat_sessions
  for each row execute function private.limit_chats();

create trigger limit_changes_of_chats before update of status on public.chat_sessions
  for each row when (old.status is distinct from new.status) execute function private.limit_chats();

comment on function private.limits_of_chats(uuid, public.plans) is 'What limits the chats of a user, as limits_of_asking.';
comment on function private.limit_chats() is
  'Refuses to open, archive, reopen or delete a chat over the plan of its owner, else counts it.';

revoke all on function private.limits_of_chats(uuid, public.plans) from public, anon, authenticated, service_role;
revoke all on function private.limit_chats() from public, anon, authenticated, service_role;
