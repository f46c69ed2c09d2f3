-- PDUs of a link, or of one number on every link, that somebody looks at for a limited time.

create table link_trace (
    trace_id  bigint generated always as identity primary key,
    link_id   integer,                          -- null = every link
    number    text,                             -- null = whatever number
    texts     boolean not null,                 -- whether texts are shown
    numbers   boolean not null,                 -- whether numbers are shown whole
    ends_at   timestamptz not null,
    read_at   timestamptz not null default now(),
    size      bigint not null default 0,        -- characters of all its pieces so far
    lost      bigint not null default 0         -- PDUs that were not kept
);

create table link_trace_piece (
    trace_id  bigint not null references link_trace on delete cascade,
    piece     bigint generated always as identity,
    records   text not null,                    -- a JSON array
    primary key (trace_id, piece)
);
