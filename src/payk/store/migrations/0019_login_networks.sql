-- From where users tried to log in, so that a stranger who knows a name keeps nobody out.
-- Runs with search_path = payk, inside one transaction. Whatever ran before goes on: it counts by user alone.

create table login_network (
    user_id integer not null references user_account on delete cascade,
    network text not null,                                       -- an IPv4 address, a /64 of IPv6
    failures integer not null default 0,                         -- attempts since the last that succeeded from there
    locked_until timestamptz,
    last_attempt_at timestamptz not null default now(),
    last_login_at timestamptz,                                   -- null = nobody ever showed from there to be the user
    primary key (user_id, network)
);
