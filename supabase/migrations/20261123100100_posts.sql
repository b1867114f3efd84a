-- A social-media post, as it was found.

create table public.posts (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references auth.users (id) on delete cascade,
  platform text not null,
  url text not null,
  creator text,
  caption text,
  metrics jsonb not null default '{}',
  media jsonb not null default '[]',
  posted_at timestamptz,
  created_at timestamptz not null default now(),
  constraint posts_id_user_id_key unique (id, user_id),
  constraint metrics_is_an_object check (jsonb_typeof(metrics) = 'object'),
  constraint media_is_a_list check (jsonb_typeof(media) = 'array')
);

create index posts_user_id_idx on public.posts (user_id);

comment on index public.posts_user_id_idx is 'The owner''s posts; and what goes with a user.';
comment on index public.posts_id_user_id_key is 'What the key of analyses refers to.';

comment on table public.posts is 'Social-media posts. The owner reads; only the service writes.';
comment on column public.posts.user_id is 'The user who had the post analysed.';
comment on column public.posts.metrics is 'Figures by name, as the platform gave them: {"likes": 48210, "saves": 912}.';
comment on column public.posts.media is 'A list of objects, one for each image or video.';
comment on column public.posts.posted_at is 'When the post went up on its platform.';

revoke all on table public.posts from public, anon, authenticated, service_role;
grant select on table public.posts to authenticated;
grant select, insert, update, delete on table public.posts to service_role;

alter table public.posts enable row level security;

create policy "Owners read their posts" on public.posts
  for select to authenticated
  using (user_id = (select auth.uid()));
