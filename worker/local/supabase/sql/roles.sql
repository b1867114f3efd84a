-- The roles, default privileges and extensions of a hosted Supabase project, so that a migration
-- that works here works there. Applied once, as the superuser supabase_admin, in one transaction.

-- On a hosted project `postgres` is not a superuser: a migration that needs one must fail here too.
create role postgres login nosuperuser createdb createrole replication bypassrls;
create role anon nologin;
create role authenticated nologin;
create role service_role nologin bypassrls;
create role authenticator login noinherit;
create role supabase_auth_admin login noinherit createrole;
create role dashboard_user nologin createdb createrole replication;

grant anon, authenticated, service_role to authenticator;
grant anon, authenticated, service_role, authenticator to postgres with admin option;
grant pg_monitor, pg_read_all_data, pg_signal_backend, pg_create_subscription to postgres;

-- A role that the API takes on gets these settings from the API, not from Postgres (see connection.mjs).
alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';
alter role postgres set search_path = "$user", public, extensions;

alter database postgres owner to postgres;

grant usage on schema public to postgres, anon, authenticated, service_role;
alter default privileges for role postgres, supabase_admin in schema public
  grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges for role postgres, supabase_admin in schema public
  grant all on functions to postgres, anon, authenticated, service_role;
alter default privileges for role postgres, supabase_admin in schema public
  grant all on sequences to postgres, anon, authenticated, service_role;

-- Owned by supabase_admin: `supabase db reset` drops the schemas that `postgres` owns.
create schema extensions;
grant usage on schema extensions to postgres, anon, authenticated, service_role, dashboard_user;
grant create on schema extensions to postgres;
create extension "uuid-ossp" with schema extensions;
create extension pgcrypto with schema extensions;
create extension pg_stat_statements with schema extensions;

-- What the API logs in as: no rights of its own but to look at the catalogue and to become one of the
-- three API roles, so that no request can run with more rights than its token gives.
create role lite_login login noinherit nosuperuser;
grant anon, authenticated, service_role to lite_login with inherit false, set true;
-- information_schema hides a table from whoever has no right on it, and the API learns of tables there.
grant pg_read_all_data to lite_login with inherit true, set false;

-- A hosted project tells its API of every change to the schema; without it a new table is a 404.
create function extensions.pgrst_watch() returns event_trigger
language plpgsql set search_path = '' as $$
begin
  notify pgrst, 'reload schema';
end
$$;
create event trigger pgrst_ddl_watch on ddl_command_end execute function extensions.pgrst_watch();
create event trigger pgrst_drop_watch on sql_drop execute function extensions.pgrst_watch();
