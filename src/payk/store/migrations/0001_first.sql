-- The first schema: registry, processes, messages and everything a message leaves behind on its way.
-- Runs with search_path = payk, inside one transaction.

------------------------------------------------------------------------------------------------------------------------
-- Registry: what is configured. Written only through payk.registry, versioned as a whole.

create table registry_version (
    one      boolean primary key default true check (one),
    version  bigint not null default 0
);
insert into registry_version default values;

create table registry_change (
    version     bigint primary key,
    changed_at  timestamptz not null default now(),
    author      text not null,
    difference  jsonb not null
);

create table client (
    client_id                 integer generated always as identity primary key,
    name                      text not null unique,
    enabled                   boolean not null default true,
    default_sms_type          smallint check (default_sms_type between 1 and 3),
    default_country           text check (default_country ~ '^[1-9][0-9]{0,3}$'),
    repeat_window             integer not null default 0 check (repeat_window >= 0),
    client_message_id_window  integer not null default 43200 check (client_message_id_window >= 0),
    bulk                      text not null default 'partial' check (bulk in ('partial', 'all-or-nothing')),
    max_parts                 integer not null default 20 check (max_parts between 1 and 255),
    uncertain                 jsonb not null default '{}'
);

create table api_key (
    sha256      bytea primary key check (length(sha256) = 32),
    client_id   integer not null references client,
    created_at  timestamptz not null default now(),
    revoked_at  timestamptz
);
create index api_key_client on api_key (client_id);

create table sender (
    client_id  integer not null references client,
    name       text not null check (length(name) between 1 and 15),
    enabled    boolean not null default true
);
create unique index sender_name on sender (client_id, lower(name));

create table operator (
    operator_id  integer generated always as identity primary key,
    name         text not null unique,
    enabled      boolean not null default true
);

create table link (
    link_id      integer generated always as identity primary key,
    operator_id  integer not null references operator,
    name         text not null unique,
    enabled      boolean not null default true,
    host         text not null,
    port         integer not null check (port between 1 and 65535),
    system_id    text not null,
    password     bytea not null,  -- encrypted under PAYK_SECRET_KEY
    options      jsonb not null default '{}'  -- the quirks of smpp, as payk apply names them
);
create index link_operator on link (operator_id);

-- A queue stands for an ordered list of operators; its waiting messages do not move when the first one is down.
create table queue (
    queue_id   integer generated always as identity primary key,
    operators  integer[] not null unique check (cardinality(operators) > 0)
);

create table route (
    route_id  integer generated always as identity primary key,
    prefix    text not null unique check (prefix ~ '^[0-9]{0,15}$'),
    queue_id  integer not null references queue,
    enabled   boolean not null default true
);

------------------------------------------------------------------------------------------------------------------------
-- Processes: one row per incarnation; whatever it holds lapses with it.

create table process (
    incarnation   bigint generated always as identity primary key,
    host          text not null,
    pid           integer not null,
    roles         text[] not null,
    started_at    timestamptz not null default now(),
    heartbeat_at  timestamptz not null default now(),
    ended_at      timestamptz,
    lapsed        boolean not null default false  -- ended by its silence, not by itself
);
create index process_live on process (heartbeat_at) where ended_at is null;

create table bind_lease (
    link_id      integer not null references link,
    number       smallint not null,
    incarnation  bigint not null references process,
    leased_at    timestamptz not null default now(),
    bound_at     timestamptz,
    primary key (link_id, number)
);
create index bind_lease_incarnation on bind_lease (incarnation);

create table duty_lease (
    duty         text primary key,
    incarnation  bigint not null references process,
    leased_at    timestamptz not null default now()
);

------------------------------------------------------------------------------------------------------------------------
-- Messages: the record. Partitioned by id; updates touch no indexed column, so they stay on their page (HOT).

create sequence message_id as bigint start 100000000;

create table message (
    message_id         bigint not null,
    accepted_at        timestamptz not null,
    scheduled_at       timestamptz,
    expires_at         timestamptz,
    submitted_at       timestamptz,          -- when the last part was last written to an operator
    receipt_due        timestamptz,          -- set while the last receipt is awaited
    done_at            timestamptz,
    client_id          integer not null,
    queue_id           integer not null,
    operator_id        integer,
    sms_type           smallint not null check (sms_type between 1 and 3),
    priority           smallint not null check (priority between 0 and 2),
    state              smallint not null default 0 check (state between 0 and 8),
    parts              smallint not null check (parts between 1 and 255),
    part_states        smallint[],           -- only where parts > 1
    phone              text not null,
    sender             text not null,
    label              text,
    client_message_id  text,
    text               text not null,
    primary key (message_id),
    check ((done_at is not null) = (state in (2, 3, 4, 5, 7, 8))),
    check ((part_states is null) = (parts = 1))
) partition by range (message_id);

create index message_client on message (client_id, message_id);
create index message_phone on message (phone, client_id);
create index message_label on message (client_id, label) where label is not null;
create index message_client_message_id on message (client_id, client_message_id) where client_message_id is not null;

-- What operators said, for the timeline; partitioned as the messages are.
create table receipt (
    message_id      bigint not null,
    received_at     timestamptz not null default now(),
    operator_id     integer not null,
    link_id         integer not null,
    part            smallint not null,
    state           smallint,                -- MessageState it was read as; null where the word is unknown
    raw_state       text not null,
    error           text,
    network_error   bytea,
    done_date       text,                    -- the operator's words, its own zone
    smsc_id         text
) partition by range (message_id);
create index receipt_message on receipt (message_id);

-- Keys of submits, by id digest, so that a repeated request finds the first answer. A plain hash of a wiped one-time
-- code could be guessed, so the digest is keyed.
create table idempotency (
    day         date not null,
    client_id   integer not null,
    digest      bytea not null,
    message_id  bigint not null,
    at          timestamptz not null default now(),
    primary key (day, client_id, digest)
) partition by range (day);

------------------------------------------------------------------------------------------------------------------------
-- The way of a message: waiting -> (claimed) -> awaiting its receipts; staged while it may not be sent yet.

create table waiting (
    message_id       bigint primary key,
    expires_at       timestamptz,
    claimed_by       bigint,                 -- incarnation; claimed means may have been sent
    first_try_at     timestamptz,            -- of the first temporary refusal; retries end PAYK_RETRY_FOR after it
    client_id        integer not null,
    label_key        integer not null,
    queue_id         integer not null,
    link_id          integer,                -- of the claim
    lane             smallint not null check (lane between 0 and 4),
    rank             smallint not null,
    attempt          smallint not null default 0,
    uncertain_count  smallint not null default 0,
    parts_left       smallint[],             -- null = all of them
    check ((claimed_by is null) = (link_id is null))
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.2);
create index waiting_ready on waiting (queue_id, lane, client_id, rank, label_key, message_id) where claimed_by is null;
create index waiting_claimed on waiting (claimed_by) where claimed_by is not null;
create index waiting_expiry on waiting (expires_at) where expires_at is not null;

create table staged (
    due              timestamptz not null,
    message_id       bigint not null unique,
    expires_at       timestamptz,
    first_try_at     timestamptz,
    client_id        integer not null,
    label_key        integer not null,
    queue_id         integer not null,
    lane             smallint not null check (lane between 0 and 4),
    rank             smallint not null,
    attempt          smallint not null default 0,
    uncertain_count  smallint not null default 0,
    parts_left       smallint[],
    primary key (due, message_id)
);
create index staged_expiry on staged (expires_at) where expires_at is not null;

create table awaiting (
    due         timestamptz not null,
    message_id  bigint not null,
    primary key (due, message_id)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

------------------------------------------------------------------------------------------------------------------------
-- What submits leave behind.

-- Operators reuse ids, so the key is not unique; the newest whose destination fits wins. Insert-only.
create table receipt_key (
    submitted_at  timestamptz not null,
    message_id    bigint not null,
    operator_id   integer not null,
    link_id       integer not null,
    part          smallint not null,
    attempt       smallint not null,
    smsc_id       text not null              -- as the operator wrote it; '' where it gave none
) partition by range (submitted_at);
-- Leading zeros and case of an id differ between an operator's answers and its receipts.
create index receipt_key_id on receipt_key (operator_id, lower(ltrim(smsc_id, '0')));
create index receipt_key_message on receipt_key using brin (message_id) with (pages_per_range = 32);

-- A part that was written and never answered. The exception has a row of its own.
create table uncertain_part (
    message_id    bigint not null,
    submitted_at  timestamptz not null,
    settled_at    timestamptz,
    operator_id   integer not null,
    link_id       integer not null,
    reference     integer not null,          -- user_message_reference
    part          smallint not null,
    attempt       smallint not null,
    reason        text not null,
    phone         text not null,
    sender        text not null
);
create index uncertain_part_message on uncertain_part (message_id);
create index uncertain_part_open on uncertain_part (operator_id, phone) where settled_at is null;

-- A part that an operator refused.
create table refusal (
    message_id      bigint not null,
    refused_at      timestamptz not null default now(),
    operator_id     integer not null,
    link_id         integer not null,
    command_status  bigint not null,
    part            smallint not null,
    attempt         smallint not null
);
create index refusal_message on refusal (message_id);

-- Receipts that no submit is known for (yet).
create table parked_receipt (
    parked_id      bigint generated always as identity primary key,
    received_at    timestamptz not null default now(),
    next_try_at    timestamptz not null default now(),
    operator_id    integer not null,
    link_id        integer not null,
    tries          smallint not null default 0,
    reference      integer,
    state          smallint,
    raw_state      text not null,
    error          text,
    network_error  bytea,
    done_date      text,
    source         text not null,
    destination    text not null,
    smsc_id        text not null,            -- the first candidate
    candidates     text[] not null           -- every normal form it may be known by
);
create index parked_receipt_id on parked_receipt (operator_id, lower(ltrim(smsc_id, '0')));
create index parked_receipt_due on parked_receipt (next_try_at);

-- A deliver_sm that is no receipt.
create table inbound (
    inbound_id   bigint generated always as identity primary key,
    received_at  timestamptz not null default now(),
    operator_id  integer not null,
    link_id      integer not null,
    source       text not null,
    destination  text not null,
    pdu          bytea not null              -- whole, as it came
);

------------------------------------------------------------------------------------------------------------------------
-- Partitions. One function makes all that are due; migrate, every start and a duty call it.

create function ensure_partitions(id_span bigint default 10000000, ids_ahead integer default 2,
                                  days_ahead integer default 3, key_days integer default 6) returns integer
language plpgsql as $$
declare
    made   integer := 0;
    first  bigint;
    low    bigint;
    day    date;
    epoch  integer;
    name   text;
begin
    perform pg_advisory_xact_lock(hashtext('payk.partitions'));
    -- A table made apart and attached leaves readers and writers of the parent alone; `partition of` would wait for a
    -- long reader, and every insert would wait behind it.

    select last_value / id_span into first from message_id;
    for low in select i * id_span from generate_series(first, first + ids_ahead) i loop
        foreach name in array array['message', 'receipt'] loop
            if to_regclass(format('payk.%I', name || '_' || low)) is null then
                execute format('create table %I (like %I including all) with (fillfactor = %s)',
                               name || '_' || low, name, case name when 'message' then 75 else 100 end);
                execute format('alter table %I attach partition %I for values from (%s) to (%s)',
                               name, name || '_' || low, low, low + id_span);
                made := made + 1;
            end if;
        end loop;
    end loop;

    for day in select d::date from generate_series((now() at time zone 'utc')::date - 1,
                                                   (now() at time zone 'utc')::date + days_ahead, interval '1 day') d loop
        name := 'idempotency_' || to_char(day, 'YYYYMMDD');
        if to_regclass(format('payk.%I', name)) is null then
            execute format('create table %I (like idempotency including all)', name);
            execute format('alter table idempotency attach partition %I for values from (%L) to (%L)', name, day, day + 1);
            made := made + 1;
        end if;
    end loop;

    epoch := floor(extract(epoch from now()) / 86400)::integer / key_days;
    for low in select i * key_days from generate_series(epoch - 1, epoch + 1) i loop
        name := 'receipt_key_' || to_char(date '1970-01-01' + low::integer, 'YYYYMMDD');
        if to_regclass(format('payk.%I', name)) is null then
            execute format('create table %I (like receipt_key including all)', name);
            execute format('alter table receipt_key attach partition %I for values from (%L) to (%L)', name,
                           (date '1970-01-01' + low::integer)::timestamp at time zone 'utc',
                           (date '1970-01-01' + low::integer + key_days)::timestamp at time zone 'utc');
            made := made + 1;
        end if;
    end loop;
    return made;
end
$$;
