-- What an account may do, by its plan, and what holds for the whole project. Edited in the dashboard.

create table public.plans (
  name text primary key,
  questions_per_minute integer,
  questions_per_hour integer,
  questions_per_day integer,
  calls_per_day integer,
  tokens_per_day bigint,
  active_chats integer,
  chat_changes_per_minute integer,
  waiting_at_once integer,
  replies_at_once integer,
  versions_per_answer integer,
  longest_message integer,
  models text[],
  constraint a_plan_has_a_name check (name <> ''),
  constraint limits_are_not_negative check (
    least(questions_per_minute, questions_per_hour, questions_per_day, calls_per_day, active_chats,
      chat_changes_per_minute, waiting_at_once) >= 0
    and tokens_per_day >= 0),
  constraint somebody_who_asks_is_answered check (replies_at_once > 0),
  constraint versions_are_1_to_20 check (versions_per_answer between 1 and 20),
  constraint a_plan_has_a_model check (models <> '{}'),
  constraint longest_message_is_1_to_4000_characters check (longest_message between 1 and 4000)
);

comment on table public.plans is
  'What an account may do. Empty is no limit, 0 is nothing. Edit it here: a change holds from the next question on.';
comment on column public.plans.questions_per_minute is
  'Whatever asks the model: questions, retries and further versions, in a minute by the clock.';
comment on column public.plans.questions_per_hour is 'The same, in an hour of UTC by the clock.';
comment on column public.plans.questions_per_day is 'Questions alone, in a day of the user''s time zone.';
comment on column public.plans.calls_per_day is 'Questions, retries and further versions, in a day of the user''s time zone.';
comment on column public.plans.tokens_per_day is
  'Tokens of prompts, answers and thoughts, in a day of the user''s time zone. What is unfinished counts with chat_settings.tokens_held_per_reply. A call that ended before its use was told counts as estimated; one that the provider refused, not at all.';
comment on column public.plans.active_chats is 'Chats that are not archived.';
comment on column public.plans.chat_changes_per_minute is
  'Chats that are opened, archived, reopened or deleted, in a minute: each is a message to its channel.';
comment on column public.plans.waiting_at_once is 'Unfinished replies. 100 for each user, and 20 for each chat, is the most in any plan.';
comment on column public.plans.replies_at_once is 'Replies that are being answered at the same time; what is above that waits.';
comment on column public.plans.versions_per_answer is 'Versions of one answer: 20 is the most in any plan.';
comment on column public.plans.longest_message is 'Characters of a question: 4,000 is the most in any plan.';
comment on column public.plans.models is
  'Those of the workers'' GEMINI_MODELS that may answer, in the workers'' order. Where a worker has none of them, a question waits until it is too old.';

insert into public.plans (
  name, questions_per_minute, questions_per_hour, questions_per_day, calls_per_day, tokens_per_day, active_chats,
  chat_changes_per_minute, waiting_at_once, replies_at_once, versions_per_answer)
values
  ('free', 20, 60, 300, 400, 2000000, 500, 30, 20, 5, 20),
  ('pro', 30, 300, 2000, 3000, 20000000, 5000, 60, 60, 10, 20);

create table public.chat_settings (
  id boolean primary key default true,
  default_plan text not null default 'free' references public.plans (name) on update cascade,
  tokens_held_per_reply integer not null default 40192,
  spend_cap_usd_per_day numeric,
  spend_cap_usd_per_month numeric,
  paused boolean not null default false,
  constraint one_row check (id),
  constraint a_reply_holds_tokens check (tokens_held_per_reply > 0),
  constraint spend_caps_are_not_negative check (spend_cap_usd_per_day >= 0 and spend_cap_usd_per_month >= 0)
);

insert into public.chat_settings default values;

create index chat_settings_default_plan_idx on public.chat_settings (default_plan);

comment on table public.chat_settings is 'One row: what holds for the whole project. Edit it here.';
comment on column public.chat_settings.default_plan is 'The plan of everybody who has no row in user_plans that holds just now.';
comment on column public.chat_settings.tokens_held_per_reply is
  'What an unfinished reply may still cost: PROMPT_TOKEN_BUDGET and MAX_OUTPUT_TOKENS of the worker, together.';
comment on column public.chat_settings.spend_cap_usd_per_day is 'US dollars in a day of UTC; empty is no cap.';
comment on column public.chat_settings.spend_cap_usd_per_month is 'US dollars in a month of UTC; empty is no cap.';
comment on column public.chat_settings.paused is 'No new questions are accepted; what is under way ends.';
comment on index public.chat_settings_default_plan_idx is 'Whether a plan is the default one, when it is deleted or renamed.';

create table public.user_plans (
  user_id uuid primary key references auth.users (id) on delete cascade,
  plan text not null references public.plans (name) on update cascade,
  time_zone text not null default 'UTC',
  since timestamptz not null default now(),
  until timestamptz,
  constraint a_plan_ends_after_it_began check (until > since)
);

create index user_plans_plan_idx on public.user_plans (plan);

comment on table public.user_plans is
  'Who has another plan than the default one, or another time zone than UTC. Your backend writes it, or you here.';
comment on column public.user_plans.time_zone is
  'Where a day of this user begins and ends: a name such as Europe/Berlin. It holds whether the plan does or not.';
comment on column public.user_plans.since is 'The plan holds from here on.';
comment on column public.user_plans.until is 'And no longer than until here; then the default plan holds again. Empty: without an end.';
comment on index public.user_plans_plan_idx is 'Who has a plan, when it is deleted or renamed.';

revoke all on table public.plans, public.chat_settings, public.user_plans
  from public, anon, authenticated, service_role;
grant select on table public.plans to authenticated, service_role;
grant select on table public.chat_settings to service_role;
grant select on table public.user_plans to authenticated;
grant select, insert, update, delete on table public.user_plans to service_role;
alter table public.plans enable row level security;
-- No policies: users have no business here, and the service passes row-level security.
alter table public.chat_settings enable row level security;
alter table public.user_plans enable row level security;

create policy "Everybody signed in reads the plans" on public.plans
  for select to authenticated
  using (true);

create policy "Users read their own plan" on public.user_plans
  for select to authenticated
  using (user_id = (select auth.uid()));

-- `at time zone` takes more than names: abbreviations without summer time, and offsets whose sign is the other way
-- round. Whatever it does not take would be an error at each question of this user.
create function private.check_time_zone() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if not exists (select from pg_catalog.pg_timezone_names z where z.name = new.time_zone) then
    raise invalid_parameter_value using message = format(
      '%L is no name of a time zone. Take one of pg_timezone_names, such as UTC or Europe/Berlin.', new.time_zone);
  end if;
  return new;
end
$$;
comment on function private.check_time_zone() is 'Refuses what is no name of a time zone.';
revoke all on function private.check_time_zone() from public, anon, authenticated, service_role;

create trigger check_time_zone before insert or update of time_zone on public.user_plans
  for each row execute function private.check_time_zone();

-- plpgsql here, and in whatever each question asks: it keeps its plans, where a function in SQL is planned at each call.
create function private.plan_of(of_user uuid) returns public.plans
language plpgsql stable
set search_path = ''
as $$
declare
  plan public.plans;
begin
  select p.* into plan
  from public.plans p
  where p.name = coalesce(
    (select u.plan from public.user_plans u
      where u.user_id = of_user and u.since <= now() and (u.until is null or u.until > now())),
    (select c.default_plan from public.chat_settings c));
  return plan;
end
$$;
comment on function private.plan_of(uuid) is 'The plan that holds for a user just now.';
revoke all on function private.plan_of(uuid) from public, anon, authenticated, service_role;

create function private.time_zone_of(of_user uuid) returns text
language plpgsql stable
set search_path = ''
as $$
begin
  return coalesce((select u.time_zone from public.user_plans u where u.user_id = of_user), 'UTC');
end
$$;
comment on function private.time_zone_of(uuid) is 'The time zone in which the days of a user are counted.';
revoke all on function private.time_zone_of(uuid) from public, anon, authenticated, service_role;
