-- The schema `realtime` as Supabase Realtime leaves it in a hosted project: what policies, triggers and
-- clients can see of it. Applied once by the superuser, after roles and the schema auth.

do $$
declare
    role_name text;
begin
    foreach role_name in array array['anon', 'authenticated'] loop
        if to_regrole(role_name) is null then
            execute format('create role %I nologin inherit', role_name);
        end if;
    end loop;
    if to_regrole('service_role') is null then
        create role service_role nologin inherit bypassrls;
    end if;
    if to_regrole('postgres') is null then
        create role postgres login nosuperuser createdb createrole replication bypassrls;
    end if;
    if to_regrole('supabase_realtime_admin') is null then
        create role supabase_realtime_admin nologin noinherit;
    end if;
    if to_regrole('realtime_login') is null then
        create role realtime_login login noinherit nosuperuser replication bypassrls;
    end if;
end
$$;

create schema if not exists realtime;
grant usage on schema realtime to postgres with grant option;
-- Only an owner may create policies, and migrations run as postgres. Hosted, postgres is no member of this
-- role, and an extension (supautils) lets it create, alter and drop policies here and nothing else. Plain
-- Postgres has no such thing: here postgres inherits the role, cannot become it, and an event trigger takes
-- back whatever else it does with it.
grant supabase_realtime_admin to postgres with inherit true, set false;
grant usage on schema realtime to anon, authenticated, service_role, realtime_login;
grant all on schema realtime to supabase_realtime_admin;

-- Partitioned by day. Without the partition of a day nothing of that day can be stored: what
-- realtime.send is given then is lost, with a warning.
create table realtime.messages (
    topic text not null,
    extension text not null,
    payload jsonb,
    event text,
    private boolean default false,
    updated_at timestamp without time zone not null default now(),
    inserted_at timestamp without time zone not null default now(),
    id uuid not null default gen_random_uuid(),
    binary_payload bytea,
    primary key (id, inserted_at),
    constraint messages_payload_exclusive check (payload is null or binary_payload is null)
) partition by range (inserted_at);
create index messages_inserted_at_topic_index on realtime.messages (inserted_at desc, topic)
    where extension = 'broadcast' and private is true;

alter table realtime.messages owner to supabase_realtime_admin;
alter table realtime.messages enable row level security;
grant select, insert, update on realtime.messages to anon, authenticated, service_role;
grant all on realtime.messages to postgres;

-- The real server makes and drops partitions in statements of its own; the stand-in's login may do no more
-- than this. Dropping locks the table for everybody: only what is there is dropped, only what is missing made.
create function realtime.make_partitions() returns void
language plpgsql security definer set search_path = '' as $$
declare
    today date := (now() at time zone 'utc')::date;
    day date;
    name text;
begin
    for offset_of_day in -1..3 loop
        day := today + offset_of_day;
        name := to_char(day, '"messages_"YYYY_MM_DD');
        if to_regclass(format('realtime.%I', name)) is null then
            execute format(
                'create table realtime.%I partition of realtime.messages for values from (%L) to (%L)',
                name, day, day + 1
            );
        end if;
    end loop;
end
$$;

-- `before` null: all of them.
create function realtime.drop_partitions(before date) returns void
language plpgsql security definer set search_path = '' as $$
declare
    name text;
begin
    for name in
        select c.relname from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'realtime.messages'::regclass
            and (before is null or c.relname < to_char(before, '"messages_"YYYY_MM_DD'))
    loop
        execute format('drop table realtime.%I', name);
    end loop;
end
$$;

alter function realtime.make_partitions() owner to supabase_realtime_admin;
alter function realtime.drop_partitions(date) owner to supabase_realtime_admin;
revoke execute on function realtime.make_partitions(), realtime.drop_partitions(date) from public;
grant execute on function realtime.make_partitions(), realtime.drop_partitions(date) to realtime_login;
select realtime.make_partitions();

create function extensions.guard_realtime() returns event_trigger
language plpgsql set search_path = '' as $$
declare
    touched record;
begin
    if current_user <> 'postgres' then
        return;
    end if;
    if tg_event = 'sql_drop' then
        for touched in
            select * from pg_catalog.pg_event_trigger_dropped_objects()
            where original and object_type <> 'policy'
                and (schema_name = 'realtime' or object_identity like '% on realtime.%')
        loop
            raise insufficient_privilege using message = 'must be owner of ' || touched.object_identity;
        end loop;
    else
        for touched in
            select * from pg_catalog.pg_event_trigger_ddl_commands()
            where (schema_name = 'realtime' or object_identity like '% on realtime.%')
                -- The right to create a trigger is granted to postgres, hosted too.
                and command_tag not in ('CREATE POLICY', 'ALTER POLICY', 'CREATE TRIGGER', 'GRANT', 'REVOKE')
        loop
            raise insufficient_privilege using message = 'must be owner of ' || touched.object_identity;
        end loop;
    end if;
end
$$;
create event trigger guard_realtime_ddl on ddl_command_end execute function extensions.guard_realtime();
create event trigger guard_realtime_drop on sql_drop execute function extensions.guard_realtime();

-- The topic that is being joined, written to or sent to; policies on realtime.messages ask for it.
create function realtime.topic() returns text
language sql stable as $$
    select nullif(current_setting('realtime.topic', true), '')::text
$$;

-- Runs with its caller's rights, and turns every error into a warning: sending must never break the
-- transaction it is sent from.
create function realtime.send(payload jsonb, event text, topic text, private boolean default true)
returns void
language plpgsql as $$
declare
    message_id uuid := gen_random_uuid();
begin
    if not payload ? 'id' then
        payload := jsonb_set(payload, '{id}', to_jsonb(message_id));
    end if;
    execute format('set local realtime.topic to %L', topic);
    insert into realtime.messages (id, payload, event, topic, private, extension)
    values (message_id, payload, event, topic, private, 'broadcast');
exception
    when others then
        raise warning 'WarnSendingBroadcastMessage: %', sqlerrm;
end
$$;

create function realtime.send_binary(payload bytea, event text, topic text, private boolean default true)
returns void
language plpgsql as $$
begin
    execute format('set local realtime.topic to %L', topic);
    insert into realtime.messages (binary_payload, event, topic, private, extension)
    values (payload, event, topic, private, 'broadcast');
exception
    when others then
        raise warning 'WarnSendingBroadcastMessage: %', sqlerrm;
end
$$;

create function realtime.broadcast_changes(
    topic_name text,
    event_name text,
    operation text,
    table_name text,
    table_schema text,
    new record,
    old record,
    level text default 'ROW'
)
returns void
language plpgsql as $$
begin
    if level = 'STATEMENT' then
        raise exception 'function can only be triggered for each row, not for each statement';
    end if;
    if operation not in ('INSERT', 'UPDATE', 'DELETE') then
        raise exception 'Unexpected operation type: %', operation;
    end if;
    perform realtime.send(
        jsonb_build_object(
            'old_record', old,
            'record', new,
            'operation', operation,
            'table', table_name,
            'schema', table_schema
        ),
        event_name,
        topic_name
    );
exception
    when others then
        raise exception 'Failed to process the row: %', sqlerrm;
end
$$;

alter function realtime.topic() owner to supabase_realtime_admin;
alter function realtime.send(jsonb, text, text, boolean) owner to supabase_realtime_admin;
alter function realtime.send_binary(bytea, text, text, boolean) owner to supabase_realtime_admin;
alter function realtime.broadcast_changes(text, text, text, text, text, record, record, text)
    owner to supabase_realtime_admin;
-- As hosted: everybody may execute them (the default), row-level security decides what a caller may send.

create publication supabase_realtime_messages_publication
    for table realtime.messages with (publish = 'insert');

-- Which tables send row changes is a migration's choice: the publication is empty, and belongs to postgres.
do $$
begin
    if not exists (select 1 from pg_publication where pubname = 'supabase_realtime') then
        create publication supabase_realtime;
    end if;
end
$$;
alter publication supabase_realtime owner to postgres;

-- The stand-in's login. It reads the write-ahead log and becomes whoever a token names: no more. Reading all
-- schemas lets it cast values to types wherever they live.
grant anon, authenticated, service_role to realtime_login;
grant pg_read_all_data to realtime_login with inherit true, set false;
grant select, insert on realtime.messages to realtime_login;
alter role realtime_login set search_path = public, extensions, realtime;
