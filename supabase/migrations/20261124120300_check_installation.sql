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

create function private.facts_of_relation(name text) returns jsonb
language sql stable
set search_path = ''
begin atomic
  select jsonb_build_object(
    'row_level_security', c.relrowsecurity,
    'published', exists (
      select from pg_catalog.pg_publication_tables p
      where p.pubname = 'supabase_realtime' and p.schemaname = n.nspname and p.tablename = c.relname),
    'anon_may', has_table_privilege('anon', c.oid, 'select, insert, update, delete, truncate')
      or has_any_column_privilege('anon', c.oid, 'select, insert, update'),
    'policies', (
      select coalesce(jsonb_object_agg(p.policyname, lower(p.permissive || ' ' || p.cmd)), '{}')
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

create function private.facts_of_function(name text) returns jsonb
language sql stable
set search_path = ''
begin atomic
  select jsonb_build_object(
    'anon_may', bool_or(has_function_privilege('anon', p.oid, 'execute')),
    'authenticated_may', bool_or(has_function_privilege('authenticated', p.oid, 'execute')),
    'service_role_may', bool_and(has_function_privilege('service_role', p.oid, 'execute')))
  from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where n.nspname || '.' || p.proname = name
  having count(*) > 0;
end;

create function private.check_installation(relations jsonb, functions jsonb) returns jsonb
language plpgsql security definer
set search_path = ''
as $$
begin
  perform realtime.send('{}'::jsonb, 'wake_up', 'chat:worker', true);
  return jsonb_build_object(
    'clock', clock_timestamp(),
    'migrations', private.applied_migrations(),
    'workers', private.ops_workers(),
    'demo_account', exists (select from auth.users u where u.email = 'demo@postbro.test'),
    'relations', (
      select coalesce(jsonb_object_agg(name, private.facts_of_relation(name)), '{}')
      from jsonb_array_elements_text(relations) as name),
    'functions', (
      select coalesce(jsonb_object_agg(name, private.facts_of_function(name)), '{}')
      from jsonb_array_elements_text(functions) as name));
end
$$;

create function public.check_installation(relations jsonb, functions jsonb) returns jsonb
language sql
set search_path = ''
begin atomic
  select private.check_installation(check_installation.relations, check_installation.functions);
end;

comment on function private.applied_migrations() is 'The versions that the CLI has applied; null where it never ran.';
comment on function private.facts_of_relation(text) is 'Row-level security, publication, rights of anon, policies and triggers; null: there is none.';
comment on function private.facts_of_function(text) is 'Who may execute it, of the API''s roles; null: there is none.';
comment on function public.check_installation(jsonb, jsonb) is
  'For `python -m worker check`. Lists of names in; {"clock", "migrations", "workers", "demo_account", "relations", "functions"} out. Wakes the workers once, so that whoever listens hears that the way from here to Realtime is open.';

revoke all on function private.applied_migrations() from public, anon, authenticated, service_role;
revoke all on function private.facts_of_relation(text) from public, anon, authenticated, service_role;
revoke all on function private.facts_of_function(text) from public, anon, authenticated, service_role;
revoke all on function private.check_installation(jsonb, jsonb) from public, anon, authenticated, service_role;
revoke all on function public.check_installation(jsonb, jsonb) from public, anon, authenticated, service_role;
grant execute on function private.check_installation(jsonb, jsonb) to service_role;
grant execute on function public.check_installation(jsonb, jsonb) to service_role;
