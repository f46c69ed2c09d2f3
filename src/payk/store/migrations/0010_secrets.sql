-- Secret keys and their rotation, texts of Otp that are sealed, numbers that are forgotten.
-- Runs with search_path = payk, inside one transaction. Whatever ran before goes on with the schema before; of large
-- tables none is touched: a sealed text stands in the place of the text (payk.sealing.texts).

-- The keys that were ever sealed under, by their ids, which say nothing of the keys; one of them seals now.
create table secret_key (
    key_id   bytea primary key check (length(key_id) = 8),
    current  boolean not null,
    since    timestamptz not null default now()   -- when it became the current one
);
create unique index secret_key_current on secret_key (current) where current;

-- Secrets of the centre itself, each sealed under a secret key.
create table kept_secret (
    name    text primary key,
    sealed  bytea not null
);

-- Since when the texts of Otp are sealed; null = a process is alive that could not open them.
create table text_sealing (
    one    boolean primary key default true check (one),
    since  timestamptz
);
insert into text_sealing default values;

-- The ids of the keys that a process has; null = it is of a version that opens no sealed texts.
alter table process add column key_ids bytea[];

-- A process of such a version that comes back late (it was stopped, it was held for dead) would send what it cannot read.
create function refuse_older_process() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared(hashtext('payk.text_sealing'));
    if exists (select from text_sealing where since is not null) then
        raise exception 'this Payk is older than the database and cannot read the texts that are sealed in it'
            using errcode = 'integrity_constraint_violation';
    end if;
    return new;
end;
$$;
create trigger older_process before insert on process
    for each row when (new.key_ids is null) execute function refuse_older_process();
