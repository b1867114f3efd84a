-- What the project has spent on models, in one small row, and whether it takes questions. Every question reads this
-- row and that of the settings, and waits for neither: to read takes no lock, and what is spent is added up elsewhere
-- (measure_spend). A cap that is raised, and a pause that is ended, hold at the next question.

create table private.spend (
  -- So the settings cannot be deleted by a slip: without their row nobody has a plan, and there is no cap and no pause.
  id boolean primary key default true references public.chat_settings (id),
  day date not null default '-infinity',
  usd_of_day numeric not null default 0,
  usd_of_month numeric not null default 0,
  measured_at timestamptz not null default '-infinity',
  constraint one_row check (id)
)
-- Written every few seconds: room on the page keeps those updates in place.
with (fillfactor = 20);

insert into private.spend default values;

-- Counted by their sequences: what a refused transaction writes is undone, what it takes from a sequence is not. There
-- is never a row.
create table private.refusals (
  paused bigint generated always as identity,
  spend_cap_day bigint generated always as identity,
  spend_cap_month bigint generated always as identity
);

comment on table private.spend is 'One row: what the calls of the present day and month of UTC cost, a few seconds ago.';
comment on column private.spend.day is 'The day of UTC on which it was measured.';
comment on column private.spend.usd_of_month is 'Of the month in which that day lies.';
comment on table private.refusals is
  'How many questions, retries and regenerations were refused, by reason: the last value of each column''s sequence.';

revoke all on table private.spend, private.refusals from public, anon, authenticated, service_role;
alter table private.spend enable row level security;
alter table private.refusals enable row level security;

do $$
declare
  reason text;
begin
  foreach reason in array array['paused', 'spend_cap_day', 'spend_cap_month'] loop
    execute format('revoke all on sequence %s from public, anon, authenticated, service_role',
      pg_get_serial_sequence('private.refusals', reason));
  end loop;
end
$$;

-- In plpgsql, which keeps its plans: both are asked with every question.
create function private.spent_by(moment timestamptz, out usd_of_day numeric, out usd_of_month numeric)
language plpgsql stable
set search_path = ''
as $$
declare
  today constant date := moment at time zone 'UTC';
begin
  -- Of a day, or a month, in which nothing was measured yet, nothing is known to be spent.
  select
    case when s.day = today then s.usd_of_day else 0 end,
    case when s.day >= date_trunc('month', today::timestamp) then s.usd_of_month else 0 end
  into usd_of_day, usd_of_month
  from private.spend s;
end
$$;

create function private.project_refusal(moment timestamptz default now(), out reason text, out resets_at timestamptz)
language plpgsql stable
set search_path = ''
as $$
declare
  settings public.chat_settings;
  spent record;
  today constant timestamp := date_trunc('day', moment at time zone 'UTC');
begin
  select * into settings from public.chat_settings;
  select * into spent from private.spent_by(moment);
  if settings.paused then
    reason := 'paused';
  elsif spent.usd_of_month >= settings.spend_cap_usd_per_month then
    reason := 'spend_cap_month';
    resets_at := (date_trunc('month', today) + interval '1 month') at time zone 'UTC';
  elsif spent.usd_of_day >= settings.spend_cap_usd_per_day then
    reason := 'spend_cap_day';
    resets_at := (today + interval '1 day') at time zone 'UTC';
  end if;
end
$$;

comment on function private.spent_by(timestamptz) is 'What the day and the month of this moment have cost, as far as it was measured.';
comment on function private.project_refusal(timestamptz) is
  'Why the project takes no questions: paused, spend_cap_month or spend_cap_day, and until when, where that is known; nulls: it takes them.';

revoke all on function private.spent_by(timestamptz) from public, anon, authenticated, service_role;
revoke all on function private.project_refusal(timestamptz) from public, anon, authenticated, service_role;
