-- How many replies of one user are answered at the same time, by their plan. Looked at where a claim has picked a row,
-- and never over all that wait: a row above the limit is put off, so that it stands in no claim's way, and is due again
-- when a reply of its user is settled; or by itself, soon, whatever was overlooked or held by somebody else then.

create function private.put_off_seconds() returns double precision
language sql immutable
set search_path = ''
return 15;

-- 'room'; 'none': the plan's replies are under way; 'locked': another claim is looking at this user just now, and may
-- be taking the last one. The row that two claims meet at is that of served_places, which users' commands only insert.
create function private.room_for_reply(of_user uuid) returns text
language plpgsql
set search_path = ''
as $$
declare
  most constant integer := (private.plan_of(of_user)).replies_at_once;
begin
  if most is null then
    return 'room';
  end if;
  perform from private.served_places s where s.user_id = of_user for no key update skip locked;
  if not found and exists (select from private.served_places s where s.user_id = of_user) then
    return 'locked';
  end if;
  return case when most > (
    select count(*) from private.reply_queue q where q.user_id = of_user and q.worker_id is not null)
    then 'room' else 'none' end;
end
$$;

create function private.put_off(due private.reply_queue) returns void
language plpgsql
set search_path = ''
as $$
begin
  update private.reply_queue q
  set due_at = now() + make_interval(secs => private.put_off_seconds()), over_plan_since = now()
  where q.session_id = due.session_id;
end
$$;

-- One reply has ended, whichever way, so one that was put off is due. Not one that this very transaction has put off: a row that is
-- updated twice has its foreign keys looked at, and they would wait for whoever holds its session.
create function private.make_next_due() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  update private.reply_queue q set due_at = now(), over_plan_since = null
  where q.session_id = (
    select free.session_id from private.reply_queue free
    where free.user_id = old.user_id and free.worker_id is null and free.over_plan_since < now()
    order by free.place
    limit 1
    for update skip locked);
  return null;
end
$$;

create trigger make_next_due after delete on private.reply_queue
  for each row when (old.worker_id is not null) execute function private.make_next_due();

comment on function private.put_off_seconds() is 'When what was put off by the plan is looked at again at the latest.';
comment on function private.room_for_reply(uuid) is
  'Whether one more reply of a user may be answered by their plan: room, none, or locked (ask again).';
comment on function private.put_off(private.reply_queue) is 'Puts a due reply off that is above its user''s replies at once.';
comment on function private.make_next_due() is 'Makes the first reply of a user due that was put off by their plan.';

revoke all on function private.put_off_seconds() from public, anon, authenticated, service_role;
revoke all on function private.room_for_reply(uuid) from public, anon, authenticated, service_role;
revoke all on function private.put_off(private.reply_queue) from public, anon, authenticated, service_role;
revoke all on function private.make_next_due() from public, anon, authenticated, service_role;
