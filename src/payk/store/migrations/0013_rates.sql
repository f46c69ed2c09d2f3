-- Rates of a client that all processes share, and one-time passwords that were demoted.
-- Runs with search_path = payk, inside one transaction. Whatever ran before goes on with the schema of 0012: it limits
-- no rate and demotes nothing. Rewrites no table.

-- The tokens that a client has left of each rate, and when that was so. Rows come with the first draw, full. Unlogged:
-- nothing waits for the disk; after a crash or on a standby that took over the table is empty, and every bucket full
-- again, which lets through one burst more at the most.
create unlogged table shared_rate (
    client_id  integer not null,
    kind       smallint not null,                -- payk.domain.rate.RateKind
    tokens     double precision not null,
    at         timestamptz not null,
    primary key (client_id, kind)
) with (fillfactor = 50);

-- An Otp beyond the rate at which the client may send them: it waits in the lane of Common High.
alter table message add column demoted boolean not null default false;
