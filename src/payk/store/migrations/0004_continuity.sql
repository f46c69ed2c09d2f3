-- Continuity: whether this database is still the one that its processes wrote to. A server that was restored, or
-- promoted without the last commits of the primary before it, begins a new line of history; on a line that nobody
-- vouched for no id is given away and nothing is claimed. What waited at a restore may have been sent since: it is set
-- aside until somebody releases it.

-- The line of history that this server writes: the cluster, and how often it was promoted or restored.
create function history_line() returns text language sql stable as $$
    select system_identifier || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) from pg_control_system()
$$;

-- The line, and when its server crashed last: with a crash its statistics begin anew, and the ids of transactions that it
-- lost are given away again.
create function server_life() returns text language sql stable as $$
    select concat(history_line(), '/', pg_stat_get_bgwriter_stat_reset_time())
$$;

create table continuity (
    one         boolean primary key default true check (one),
    line        text not null,               -- on which messages are taken and sent
    since       timestamptz not null default now(),
    lost_line   text,                        -- on which a process missed what it had written
    lost_what   text,
    recovered   text,                        -- the line that a person opened
    highest_id  bigint                       -- that such a process had given away
);
insert into continuity (line) values (history_line());

create function line_is_known() returns boolean language sql stable as $$
    select line = history_line() from continuity
$$;

alter table process add column beats bigint not null default 0;  -- heartbeats
alter table process add column line text;                -- on which it began
alter table process add column vouches_for text;         -- the line on which it found all that it had written
alter table process add column vouched_at timestamptz;

-- Messages that waited when the database was restored, and what became of them.
create table set_aside (
    message_id       bigint primary key,
    set_aside_at     timestamptz not null default now(),
    dealt_with_at    timestamptz,            -- released or given up
    released         boolean,
    expires_at       timestamptz,
    first_try_at     timestamptz,
    client_id        integer not null,
    label_key        integer not null,
    queue_id         integer not null,
    lane             smallint not null check (lane between 0 and 4),
    rank             smallint not null,
    attempt          smallint not null,
    uncertain_count  smallint not null,
    parts_left       smallint[],
    check ((dealt_with_at is null) = (released is null))
);
create index set_aside_open on set_aside (message_id) where dealt_with_at is null;
