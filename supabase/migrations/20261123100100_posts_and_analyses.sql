-- What a chat is about: a social-media post, as it was found, and the structured analysis of it.

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

create table public.post_analyses (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null,
  post_id uuid not null,
  quick_takeaways jsonb not null default '[]',
  creator_context text,
  viral_status text,
  frameworks jsonb not null default '[]',
  key_insights jsonb not null default '[]',
  analysis jsonb not null default '{}',
  created_at timestamptz not null default now(),
  constraint post_analyses_id_user_id_key unique (id, user_id),
  constraint post_belongs_to_user foreign key (post_id, user_id)
    references public.posts (id, user_id) on delete cascade,
  constraint quick_takeaways_is_a_list check (jsonb_typeof(quick_takeaways) = 'array'),
  constraint frameworks_is_a_list check (jsonb_typeof(frameworks) = 'array'),
  constraint key_insights_is_a_list check (jsonb_typeof(key_insights) = 'array')
);

create index post_analyses_user_id_idx on public.post_analyses (user_id);
create index post_analyses_post_id_user_id_idx on public.post_analyses (post_id, user_id);

comment on index public.post_analyses_user_id_idx is 'The owner''s analyses.';
comment on index public.post_analyses_post_id_user_id_idx is 'The analyses of a post; and what goes with one.';
comment on index public.post_analyses_id_user_id_key is 'What the key of sessions refers to.';

comment on table public.post_analyses is 'Analyses of posts. The owner reads; only the service writes.';
comment on column public.post_analyses.user_id is 'The owner, always the owner of the post.';
comment on column public.post_analyses.quick_takeaways is 'A list of sentences. Told to the model.';
comment on column public.post_analyses.creator_context is 'Who made the post, and for whom. Told to the model.';
comment on column public.post_analyses.viral_status is 'How far the post travelled, and why. Told to the model.';
comment on column public.post_analyses.frameworks is
  'A list of {"name", "explanation"}, such as the Curiosity Stack. Told to the model.';
comment on column public.post_analyses.key_insights is 'A list of sentences. Told to the model.';
comment on column public.post_analyses.analysis is 'The whole analysis, unchanged. Kept for the page; not sent to the model.';

revoke all on table public.post_analyses from public, anon, authenticated, service_role;
grant select on table public.post_analyses to authenticated;
grant select, insert, update, delete on table public.post_analyses to service_role;

alter table public.post_analyses enable row level security;

create policy "Owners read the analyses of their posts" on public.post_analyses
  for select to authenticated
  using (user_id = (select auth.uid()));
