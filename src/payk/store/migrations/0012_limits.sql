-- Limits that are counted: parts of a day and a month, messages to one number, balances; and numbers that are blocked.
-- Runs with search_path = payk, inside one transaction. Whatever ran before goes on with the schema of 0011: it counts and
-- blocks nothing, and gives nothing back. Rewrites no table.

-- Parts taken of clients that have a quota or a balance; days and months are those of UTC. Otp is counted apart.
create table client_usage (
    client_id  integer not null,
    kind       text not null check (kind in ('day', 'month')),
    period     date not null,                -- its first day
    otp        boolean not null,
    parts      bigint not null,
    primary key (client_id, kind, period, otp)
) with (fillfactor = 50);

-- What a prepaid client has left, in 1/10,000 of the currency unit. The sum of its entries.
create table client_balance (
    client_id  integer primary key,
    amount     bigint not null
) with (fillfactor = 50);

create table balance_entry (
    entry_id   bigint generated always as identity primary key,
    client_id  integer not null,
    at         timestamptz not null default now(),
    kind       text not null check (kind in ('top-up', 'correction', 'charge', 'refund')),
    amount     bigint not null,              -- added to the balance
    messages   integer,                      -- that were charged or refunded; null where somebody wrote it
    reference  text,                         -- of the caller: one entry for each
    author     text,
    note       text
);
create index balance_entry_client on balance_entry (client_id, entry_id);
create unique index balance_entry_reference on balance_entry (client_id, reference) where reference is not null;

-- How many messages a number got of a client, by five minutes.
create table number_use (
    client_id  integer not null,
    phone      text not null,
    otp        boolean not null,
    bucket     timestamptz not null,         -- when the five minutes began
    count      integer not null,
    primary key (client_id, phone, otp, bucket)
) with (fillfactor = 80);
create index number_use_bucket on number_use using brin (bucket) with (pages_per_range = 16);

-- Numbers that take no messages.
create table blocked_number (
    blocked_id  bigint generated always as identity primary key,
    client_id   integer,                     -- of this client; null = of all
    phone       text not null check (phone ~ '^[1-9][0-9]{6,14}$'),
    what        text not null check (what in ('batch', 'everything')),
    reason      text not null default '',
    author      text not null,
    at          timestamptz not null default now(),
    unique nulls not distinct (phone, client_id)
);
create index blocked_number_client on blocked_number (client_id, phone);

-- What was counted of a message when it was taken: the day, its parts, and what they cost. Null: nothing, or it was given
-- back, of which the other two still tell.
alter table message
    add column charged_on    date,
    add column charged_parts smallint,
    add column charged       bigint;
