-- What only the database knows of an installation. It tells facts; `python -m worker check` judges them.

create function private.applied_migrations() returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  -- The CLI's own table: where the files were run by hand, there is none.
  if to_regclass('supabase_migrations.schema_migrations') is null then
    return null;
  end if;
  return (select jsonb_agg(m.version order by m.version) from supabase_migrations.schema_migrations m);
end
$$;
comment on function private.applied_migrations() is 'The versions that the CLI has applied; null where it never ran.';
revoke all on function private.applied_migrations() from public, anon, authenticated, service_role;

create function private.facts_of_relation(name text) returns jsonb
language sql stable
set search_path = ''
begin atomic
  select jsonb_build_object(
    'row_level_security', c.relrowsecurity,
    'published', exists (
      select from pg_catalog.pg_publication_tables p
      where p.pubname = 'supabase_realtime' and p.schemaname = n.nspname and p.tablename = c.relname),
    'rights', private.rights_on_relation(c.oid),
    'policies', (
      select coalesce(jsonb_object_agg(p.policyname, format('%s to %s%s', lower(p.permissive || ' ' || p.cmd),
        array_to_string(p.roles, ', '), case when 'true' in (p.qual, p.with_check) then ', whatever the row' end)), '{}')
      from pg_catalog.pg_policies p
      where p.schemaname = n.nspname and p.tablename = c.relname),
    'triggers', (
      select coalesce(jsonb_object_agg(t.tgname, t.tgenabled in ('O', 'A')), '{}')
      from pg_catalog.pg_trigger t
      where t.tgrelid = c.oid and not t.tgisinternal))
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = to_regclass(name);
end;
comment on function private.facts_of_relation(text) is 'Row-level security, publication, rights, policies and triggers; null: there is none.';
revoke all on function private.facts_of_relation(text) from public, anon, authenticated, service_role;

create function private.facts_of_function(name text) returns jsonb
language sql stable
set search_path = ''
begin atomic
  select jsonb_build_object('roles', coalesce(
    jsonb_agg(distinct private.role_name(a.grantee)) filter (where a.grantee <> p.proowner), '[]'))
  from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  left join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a on true
  where n.nspname || '.' || p.proname = name
  having count(*) > 0;
end;
comment on function private.facts_of_function(text) is 'Who may execute it, beside its owner; null: there is none.';
revoke all on function private.facts_of_function(text) from public, anon, authenticated, service_role;

-- realtime.send turns every error into a warning: what was sent is looked for, and where it is missing, the error is
-- asked for by hand.
create function private.try_broadcast() returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  sent constant text := gen_random_uuid()::text;
begin
  perform realtime.send(jsonb_build_object('id', sent), 'wake_up', 'chat:worker', true);
  if exists (
    select from realtime.messages m
    where m.topic = 'chat:worker' and m.extension = 'broadcast' and m.private is true and m.payload ->> 'id' = sent
      and m.inserted_at > now()::timestamp - interval '2 days')
  then
    return '{"stored": true, "refused": null}';
  end if;
  insert into realtime.messages (topic, extension, payload, event, private)
  values ('chat:worker', 'broadcast', '{}', 'wake_up', true);
  return '{"stored": false, "refused": null}';
exception when others then
  return jsonb_build_object('stored', false, 'refused', sqlstate);
end
$$;
comment on function private.try_broadcast() is 'Sends a wake-up: {"stored", "refused": the SQLSTATE with which realtime.messages refuses it}.';
revoke all on function private.try_broadcast() from public, anon, authenticated, service_role;

create function private.facts_of_broadcasts() returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  messages constant oid := to_regclass('realtime.messages');
  oldest timestamp;
begin
  begin
    select min(m.inserted_at) into oldest from realtime.messages m where m.extension = 'broadcast' and m.private is true;
  exception when others then
    null; -- not ours to read: then its age is not known
  end;
  return jsonb_build_object(
    'erasing_for_seconds', (select extract(epoch from now() - min(e.noted_at)) from private.erasures e),
    'oldest_days', extract(epoch from now()::timestamp - oldest) / 86400,
    'missing_partitions', (
      select coalesce(jsonb_agg(d.day order by d.day), '[]')
      from pg_catalog.pg_partitioned_table t,
        lateral (select (now() at time zone 'UTC')::date + n as day from generate_series(0, 1) as n) as d
      where t.partrelid = messages and t.partdefid = 0
        and to_regclass(format('realtime.%I', to_char(d.day, '"messages_"YYYY_MM_DD'))) is null),
    'publications', (
      select coalesce(jsonb_object_agg(p.pubname, jsonb_build_object(
        'insert', p.pubinsert, 'update', p.pubupdate, 'delete', p.pubdelete,
        'broadcasts', p.puballtables
          or exists (select from pg_catalog.pg_publication_rel r where r.prpubid = p.oid and r.prrelid = messages)
          or exists (
            select from pg_catalog.pg_publication_namespace s
            where s.pnpubid = p.oid and s.pnnspid = to_regnamespace('realtime')))), '{}')
      from pg_catalog.pg_publication p
      where p.pubname in ('supabase_realtime', 'supabase_realtime_messages_publication')));
end
$$;
comment on function private.facts_of_broadcasts() is
  'What Realtime needs to pass on what the database sends: {"erasing_for_seconds", "oldest_days", "missing_partitions": of today and tomorrow (UTC), "publications"}.';
revoke all on function private.facts_of_broadcasts() from public, anon, authenticated, service_role;

create function private.check_installation(relations jsonb, functions jsonb) returns jsonb
language plpgsql security definer
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'broadcast', private.try_broadcast(),
    'broadcasts', private.facts_of_broadcasts(),
    'pg_cron', exists (select from pg_catalog.pg_extension e where e.extname = 'pg_cron'),
    'clock', clock_timestamp(),
    'migrations', private.applied_migrations(),
    'workers', private.ops_workers(),
    'spend', private.ops_spend(),
    'demo_account', exists (select from auth.users u where u.email = 'demo@postbro.test'),
    'roles_of_users', to_jsonb(private.roles_of_users()),
    'schemas', private.rights_on_schemas('{private, analytics}'),
    'open_views', private.open_views(check_installation.relations),
    'relations', (
      select coalesce(jsonb_object_agg(name, private.facts_of_relation(name)), '{}')
      from jsonb_array_elements_text(relations) as name),
    'functions', (
      select coalesce(jsonb_object_agg(name, private.facts_of_function(name)), '{}')
      from jsonb_array_elements_text(functions) as name));
end
$$;
revoke all on function private.check_installation(jsonb, jsonb) from public, anon, authenticated, service_role;
grant execute on function private.check_installation(jsonb, jsonb) to service_role;

create function public.check_installation(relations jsonb, functions jsonb) returns jsonb
language sql
set search_path = ''
begin atomic
  select private.check_installation(check_installation.relations, check_installation.functions);
end;
comment on function public.check_installation(jsonb, jsonb) is
  'For `python -m worker check`. Lists of names in; {"clock", "migrations", "workers", "spend", "demo_account", "roles_of_users", "schemas", "open_views", "relations", "functions", "broadcast", "broadcasts", "pg_cron"} out. Wakes the workers once, so that whoever listens hears that the way from here to Realtime is open.';
revoke all on function public.check_installation(jsonb, jsonb) from public, anon, authenticated, service_role;
grant execute on function public.check_installation(jsonb, jsonb) to service_role;
