-- What each user has asked for, in the minute, the hour and the day that count: one row for each user, so that a
-- limit is looked up and never counted over rows. Written by users' commands alone, under the user's lock; a worker
-- never waits for it. What users spend is another table, written without them: usage_spent.

create table private.usage_asked (
  user_id uuid primary key references auth.users (id) on delete cascade,
  minute timestamptz not null,
  hour timestamptz not null,
  day date not null,
  asked_in_minute integer not null,
  asked_in_hour integer not null,
  asked_in_day integer not null,
  questions_in_day integer not null,
  chats_changed_in_minute integer not null
)
with (fillfactor = 70);

comment on table private.usage_asked is 'What each user has asked for in the minute, hour and day in which they last did.';
comment on column private.usage_asked.day is 'In the user''s time zone.';
comment on column private.usage_asked.asked_in_minute is 'Questions, retries and further versions.';
comment on column private.usage_asked.chats_changed_in_minute is 'Chats opened, archived, reopened and deleted.';

revoke all on table private.usage_asked from public, anon, authenticated, service_role;
alter table private.usage_asked enable row level security;

-- A transaction that has waited for the user's lock may bear an earlier time than the one that it waited for: periods
-- never go back, and it counts into the later one.
create function private.count_use(of_user uuid, asked integer, questions integer, chats_changed integer)
returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into private.usage_asked as u (
    user_id, minute, hour, day,
    asked_in_minute, asked_in_hour, asked_in_day, questions_in_day, chats_changed_in_minute)
  values (
    of_user, date_trunc('minute', now()), date_trunc('hour', now(), 'UTC'),
    (now() at time zone private.time_zone_of(of_user))::date,
    asked, asked, asked, questions, chats_changed)
  on conflict (user_id) do update
  set minute = greatest(u.minute, excluded.minute),
    hour = greatest(u.hour, excluded.hour),
    day = greatest(u.day, excluded.day),
    asked_in_minute = excluded.asked_in_minute + case when u.minute >= excluded.minute then u.asked_in_minute else 0 end,
    asked_in_hour = excluded.asked_in_hour + case when u.hour >= excluded.hour then u.asked_in_hour else 0 end,
    asked_in_day = excluded.asked_in_day + case when u.day >= excluded.day then u.asked_in_day else 0 end,
    questions_in_day = excluded.questions_in_day + case when u.day >= excluded.day then u.questions_in_day else 0 end,
    chats_changed_in_minute = excluded.chats_changed_in_minute
      + case when u.minute >= excluded.minute then u.chats_changed_in_minute else 0 end;
end
$$;
comment on function private.count_use(uuid, integer, integer, integer) is
  'Adds to what a user has asked for. The caller holds the user''s lock.';
revoke all on function private.count_use(uuid, integer, integer, integer)
  from public, anon, authenticated, service_role;

-- By the calendar and never by adding 24 hours: where the clock is changed, a day has 23 or 25.
create function private.end_of_day(time_zone text, at timestamptz) returns timestamptz
language plpgsql stable
set search_path = ''
as $$
begin
  return ((at at time zone time_zone)::date + 1)::timestamp at time zone time_zone;
end
$$;
comment on function private.end_of_day(text, timestamptz) is 'The first moment of the next day in a time zone.';
revoke all on function private.end_of_day(text, timestamptz) from public, anon, authenticated, service_role;

-- What of a day's tokens is used and what is held are read in one statement, by one snapshot: a reply that is settled
-- meanwhile is in the one or in the other.
create function private.limits_of_asking(of_user uuid, plan public.plans)
returns table (name text, most bigint, used bigint, held bigint, resets_at timestamptz)
language plpgsql stable
set search_path = ''
as $$
declare
  time_zone constant text := private.time_zone_of(of_user);
  today constant date := (now() at time zone time_zone)::date;
  day_ends_at constant timestamptz := private.end_of_day(time_zone, now());
  this_minute constant timestamptz := date_trunc('minute', now());
  this_hour constant timestamptz := date_trunc('hour', now(), 'UTC');
begin
  return query
  select l.*
  from (values (0)) as one
  left join private.usage_asked u on u.user_id = of_user
  cross join lateral (
    select count(*) as replies,
      count(*) filter (where (r.pending_since at time zone time_zone)::date = today) as replies_of_today
    from public.chat_replies r
    where r.user_id = of_user and r.status in ('pending', 'answering')
  ) as unfinished
  cross join lateral (
    select coalesce(sum(each.tokens), 0)::bigint as tokens
    from (
      select s.tokens from private.usage_spent s where s.day = today and s.user_id = of_user
      union all
      select c.tokens_debited from private.uncounted_calls c where c.asked_on = today and c.user_id = of_user
    ) as each
  ) as spent
  cross join lateral (values
    ('questions_per_minute', plan.questions_per_minute::bigint,
      case when u.minute >= this_minute then u.asked_in_minute else 0 end::bigint, 0::bigint,
      this_minute + interval '1 min'),
    ('questions_per_hour', plan.questions_per_hour,
      case when u.hour >= this_hour then u.asked_in_hour else 0 end, 0, this_hour + interval '1 hour'),
    ('questions_per_day', plan.questions_per_day,
      case when u.day >= today then u.questions_in_day else 0 end, 0, day_ends_at),
    ('calls_per_day', plan.calls_per_day,
      case when u.day >= today then u.asked_in_day else 0 end, 0, day_ends_at),
    ('tokens_per_day', plan.tokens_per_day, spent.tokens,
      unfinished.replies_of_today * (select c.tokens_held_per_reply from public.chat_settings c), day_ends_at),
    ('waiting_at_once', plan.waiting_at_once, unfinished.replies, 0, null)
  ) as l (name, most, used, held, resets_at);
end
$$;
comment on function private.limits_of_asking(uuid, public.plans) is
  'What limits the questions of a user: most is null where the plan has no limit, resets_at where time alone changes nothing.';
revoke all on function private.limits_of_asking(uuid, public.plans) from public, anon, authenticated, service_role;
