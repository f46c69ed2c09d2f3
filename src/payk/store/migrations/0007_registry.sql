-- What a client may do, what its keys and senders are about, and what its parts cost.
-- Runs with search_path = payk, inside one transaction. Whatever ran before goes on with the schema of 0006: to it every
-- client is without limits, and every sender of a client that is enabled is approved.

-- Limits of a client, by the names of the registry file; what is not in it has its default.
alter table client add column limits jsonb not null default '{}';

-- What a route has besides its prefix and its operators, by the names of the registry file.
alter table route add column options jsonb not null default '{}';

alter table api_key
    add column key_id integer generated always as identity unique,
    add column label text not null default '',
    add column expires_at timestamptz,
    add column allow_from text[] not null default '{}',          -- networks a caller may come from; empty = any
    add column last_used_at timestamptz;

-- A sender is enabled while it is approved: that is what the version before goes by.
alter table sender
    add column status text not null default 'approved' check (status in ('requested', 'approved', 'rejected', 'withdrawn')),
    add column reason text not null default '',                  -- why it was asked for, or rejected
    add column expires_at timestamptz,
    add column changed_at timestamptz not null default now();
update sender set status = 'withdrawn' where not enabled;
