-- Who may manage the centre, and what they did.
-- Runs with search_path = payk, inside one transaction. Whatever ran before goes on: it knows none of this.

create table user_account (
    user_id integer generated always as identity primary key,
    name text not null,
    role text not null check (role in ('admin', 'operator', 'client-manager', 'client-viewer')),
    client_id integer references client,                         -- of roles that are bound to one
    password_hash text,                                          -- argon2id; null = tokens only
    totp_secret bytea,                                           -- sealed; null = no one-time codes
    totp_step bigint not null default 0,                         -- no code up to this step of 30 s is taken any more
    enabled boolean not null default true,
    failures integer not null default 0,                         -- attempts to log in since the last that succeeded
    locked_until timestamptz,
    created_at timestamptz not null default now(),
    last_login_at timestamptz,
    check ((role in ('client-manager', 'client-viewer')) = (client_id is not null))
);
create unique index on user_account (lower(name));

create table user_session (
    session_id bigint generated always as identity primary key,
    sha256 bytea not null unique,                                -- of the token
    user_id integer not null references user_account,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    last_seen_at timestamptz not null default now(),
    address text not null
);
create index on user_session (user_id);

create table service_token (
    token_id integer generated always as identity primary key,
    sha256 bytea not null unique,
    name text not null,
    user_id integer references user_account,                     -- it may what this user may; else it has a role
    role text check (role in ('admin', 'operator', 'client-manager', 'client-viewer')),
    client_id integer references client,
    scopes text[],                                               -- what it is narrowed to; null = not
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    check ((user_id is null) = (role is not null)),
    check (role is null or (role in ('client-manager', 'client-viewer')) = (client_id is not null)),
    check (role is not null or client_id is null)
);
create unique index on service_token (lower(name)) where revoked_at is null;
create index on service_token (user_id);

-- Moves with whatever decides who may do what; processes follow it.
create table access_version (version bigint not null);
insert into access_version values (1);
create function move_access_version() returns trigger language plpgsql as $$
begin
    update access_version set version = version + 1;
    return null;
end $$;
create trigger moves_version after insert or delete or update of name, role, client_id, enabled on user_account
    for each statement execute function move_access_version();
create trigger moves_version after insert or delete or
    update of sha256, name, user_id, role, client_id, scopes, expires_at, revoked_at on service_token
    for each statement execute function move_access_version();

-- The audit log: only added to, and each entry holds a digest of itself and the one before.
create table audit_entry (
    sequence bigint primary key,
    at timestamptz not null,
    actor_kind text not null,
    actor_id bigint not null,
    actor_name text not null,
    address text not null,
    request_id text not null,
    act text not null,
    object_kind text not null,
    object_name text not null,
    detail json not null,                                        -- json, not jsonb: the digest is of its characters
    previous_hash bytea not null,
    hash bytea not null
);
create index on audit_entry (at);
create index on audit_entry (object_kind, object_name, sequence);

-- The newest entry; whoever adds one locks this row first.
create table audit_head (sequence bigint not null, hash bytea not null);
insert into audit_head values (0, decode(repeat('00', 32), 'hex'));

create function refuse_audit_change() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is only added to' using errcode = 'integrity_constraint_violation';
end $$;
create trigger only_added_to before update or delete or truncate on audit_entry
    for each statement execute function refuse_audit_change();
