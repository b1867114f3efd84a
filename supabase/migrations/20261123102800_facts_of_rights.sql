-- Who has which rights on our objects, by whatever name of a role: `python -m worker check` compares them with its list.

create function private.role_name(role oid) returns text
language sql stable
set search_path = ''
begin atomic
  select case role_name.role when 0 then 'public' else pg_catalog.pg_get_userbyid(role_name.role)::text end;
end;
comment on function private.role_name(oid) is 'As a grant names it: public is everybody.';
revoke all on function private.role_name(oid) from public, anon, authenticated, service_role;

create function private.rights_on_relation(relation oid) returns jsonb
language sql stable
set search_path = ''
begin atomic
  select coalesce(jsonb_object_agg(granted.role, granted.rights), '{}')
  from (
    select private.role_name(a.grantee) as role, jsonb_agg(a.privilege order by a.privilege) as rights
    from (
      select c.relowner, r.grantee, lower(r.privilege_type) as privilege
      from pg_catalog.pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) as r
      where c.oid = rights_on_relation.relation
      union all
      -- As a grant says it, so that a revoke can be made of it.
      select c.relowner, r.grantee, format('%s (%I)', lower(r.privilege_type), t.attname)
      from pg_catalog.pg_class c join pg_catalog.pg_attribute t on t.attrelid = c.oid, aclexplode(t.attacl) as r
      where c.oid = rights_on_relation.relation and not t.attisdropped
    ) as a
    where a.grantee <> a.relowner
    group by a.grantee
  ) as granted;
end;
comment on function private.rights_on_relation(oid) is
  'Role → what it may, beside the owner: {"authenticated": ["select", "update (status)"]}.';
revoke all on function private.rights_on_relation(oid) from public, anon, authenticated, service_role;

create function private.rights_on_schemas(names text[]) returns jsonb
language sql stable
set search_path = ''
begin atomic
  select coalesce(jsonb_object_agg(granted.name, granted.rights), '{}')
  from (
    select a.name, jsonb_object_agg(a.role, a.rights) as rights
    from (
      select n.nspname as name, private.role_name(r.grantee) as role,
        jsonb_agg(lower(r.privilege_type) order by r.privilege_type) as rights
      from pg_catalog.pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) as r
      where n.nspname = any (rights_on_schemas.names) and r.grantee <> n.nspowner
      group by n.nspname, r.grantee
    ) as a
    group by a.name
  ) as granted;
end;
comment on function private.rights_on_schemas(text[]) is 'Schema → role → what it may, beside the owner.';
revoke all on function private.rights_on_schemas(text[]) from public, anon, authenticated, service_role;

-- A token's role is whatever `authenticator` may become. Those whom no policy stops are no users.
create function private.roles_of_users() returns text[]
language sql stable
set search_path = ''
begin atomic
  select coalesce(array_agg(r.rolname::text order by r.rolname), '{}')
  from pg_catalog.pg_roles r
  where not r.rolsuper and not r.rolbypassrls and (
    r.rolname in ('anon', 'authenticated')
    or exists (
      select from pg_catalog.pg_roles a
      where a.rolname = 'authenticator' and a.oid <> r.oid and pg_catalog.pg_has_role(a.oid, r.oid, 'member')));
end;
comment on function private.roles_of_users() is
  'Whom the API may become for a request, but for those whom no policy stops.';
revoke all on function private.roles_of_users() from public, anon, authenticated, service_role;

-- A view reads with its owner's rights unless it says otherwise, and the owner of most is stopped by no policy; a
-- materialized one never asks. Those of others over ours are found, also through further views, and are told where users
-- may read them.
create function private.open_views(relations jsonb) returns jsonb
language sql stable
set search_path = ''
begin atomic
  with recursive ours as (
    select to_regclass(name)::oid as oid from jsonb_array_elements_text(open_views.relations) as name
  ), readers as (
    select o.oid from ours o where o.oid is not null
    union
    select w.ev_class
    from readers r
    join pg_catalog.pg_depend d
      on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = r.oid
      and d.classid = 'pg_catalog.pg_rewrite'::regclass
    join pg_catalog.pg_rewrite w on w.oid = d.objid
  )
  select coalesce(jsonb_object_agg(
    found.name, jsonb_build_object('roles', found.roles, 'materialized', found.materialized)), '{}')
  from (
    select format('%I.%I', n.nspname, c.relname) as name, c.relkind = 'm' as materialized,
      jsonb_agg(u.role order by u.role) as roles
    from readers r
    join pg_catalog.pg_class c on c.oid = r.oid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    cross join unnest(private.roles_of_users()) as u (role)
    where c.relkind in ('v', 'm')
      and not exists (
        select from pg_options_to_table(c.reloptions) o
        where o.option_name = 'security_invoker' and o.option_value::boolean)
      and has_schema_privilege(u.role, n.oid, 'usage')
      and (has_table_privilege(u.role, c.oid, 'select') or has_any_column_privilege(u.role, c.oid, 'select'))
    group by n.nspname, c.relname, c.relkind
  ) as found;
end;
comment on function private.open_views(jsonb) is
  'View over one of the relations, without security_invoker → {"roles": those of users that may read it, "materialized"}.';
revoke all on function private.open_views(jsonb) from public, anon, authenticated, service_role;
