-- Running traffic: what is held back, what is being cancelled, what is drained, and how links stand from second to second.
-- Runs with search_path = payk, inside one transaction. Touches no large table: held messages stay where they are, and
-- dispatchers pass them over. Whatever ran before goes on with the schema of 0006, and knows no holds.

-- A rule that holds messages back; what is null matches everything. Released, it is in force no longer; settled, the
-- ExpiresIn of all that it held was moved on. With cancels_to it also deletes what it matches, up to that message id.
create table hold (
    hold_id      integer generated always as identity primary key,
    placed_at    timestamptz not null default now(),
    released_at  timestamptz,
    settled_at   timestamptz,
    client_id    integer references client,
    operator_id  integer references operator,  -- messages whose route names it first
    sms_type     smallint check (sms_type between 1 and 3),
    label        text,
    label_keys   integer[],                    -- under which messages with this label wait
    author       text not null,
    reason       text not null default '',
    cancels_to   bigint,
    walk_began   timestamptz not null default now(),
    walked_to    bigint not null default 0,    -- messages up to this id were dealt with by the present walk
    cancelled    integer not null default 0,
    too_late     integer not null default 0,
    check (num_nonnulls(client_id, operator_id, sms_type, label) > 0),
    check ((label is null) = (label_keys is null)),
    check (settled_at is null or released_at is not null)
);
create index hold_open on hold (hold_id) where settled_at is null;

-- Nothing new is given to it; the next of the list carry its traffic. Of a link this is among its options.
alter table operator add column draining boolean not null default false;

-- How the links of each process stand, told once a second by it. Nobody misses it after a crash, so no log is written.
create unlogged table link_state (
    incarnation  bigint not null,
    link_id      integer not null,
    told_at      timestamptz not null default now(),
    state        jsonb not null,
    primary key (incarnation, link_id)
) with (fillfactor = 50);
