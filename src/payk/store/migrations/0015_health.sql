-- Operators that take no messages though they are bound: judged each few seconds, with a record of each shift.
-- Runs with search_path = payk, inside one transaction. Touches no large table. Whatever ran before goes on with the
-- schema of 0014: it serves by the first operator that is bound.

alter table operator add column health boolean not null default true;
alter table operator add column health_refused double precision not null default 0.5;

-- How an operator stands (payk.domain.health.Standing).
create table operator_health (
    operator_id  integer primary key references operator,
    sick         boolean not null default false,
    reason       text not null default '',          -- why it is sick
    since        timestamptz not null default now(),
    trouble      integer not null default 0,        -- looks in a row that saw trouble
    pause        double precision not null default 0  -- seconds that it is probed at least, when it is sick next or now
);

-- Each change of it.
create table operator_shift (
    shift_id     bigint generated always as identity primary key,
    operator_id  integer not null references operator,
    at           timestamptz not null default now(),
    from_state   text not null check (from_state in ('healthy', 'sick')),
    to_state     text not null check (to_state in ('healthy', 'sick')),
    reason       text not null,
    figures      jsonb not null                     -- good and failed results, and clients, of the 30 s before
);
create index operator_shift_at on operator_shift (at);
