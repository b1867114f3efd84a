-- What a prompt is made of: the question, what was said before it, the post and its analysis, each cut to what a prompt
-- can use.

-- What a prompt can use of a value from outside: not too long, and not so deep that reading it ends a process.
create function private.usable_part(value jsonb) returns jsonb
language plpgsql immutable
set search_path = ''
as $$
begin
  return case when pg_column_size(value) <= 65536 and octet_length(value::text) <= 65536 and not jsonb_path_exists(value, '$.**{16}') then value end;
end
$$;
comment on function private.usable_part(jsonb) is 'The value; null where it has more than 64 kB or 15 levels.';
revoke all on function private.usable_part(jsonb) from public, anon, authenticated, service_role;

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
comment on function private.first_entries(jsonb) is
  'Of a value that is not usable: its first entries, 64 kB at most, without those that are not usable. Null: none.';
revoke all on function private.first_entries(jsonb) from public, anon, authenticated, service_role;

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
comment on function private.count_entries(jsonb) is 'The entries of a list or an object; -1: too many to be counted.';
revoke all on function private.count_entries(jsonb) from public, anon, authenticated, service_role;

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
comment on function private.reply_context(uuid) is
  'What the prompt is made of, as JSON text: {"question", "history", "posts", "analyses"}. In a post or an analysis, wholes: {name: characters of a text as it is stored, or entries of a value that is not all there, else null}.';
revoke all on function private.reply_context(uuid) from public, anon, authenticated, service_role;
