-- How long things are kept: what is known of old partitions, and how far texts were wiped.
-- Runs with search_path = payk, inside one transaction. Whatever ran before goes on with the schema of 0005. Touches no
-- large table: texts are found without an index of their own (texts.sql says how).

-- Days after which texts of other types than Otp are wiped; 0 = they are kept as long as their messages.
alter table client add column text_days integer not null default 0 check (text_days between 0 and 3650);

-- Partitions of messages that are older than the retention, and how far each was read: a finished message stays so.
create table old_partition (
    low_id          bigint primary key,
    finished_below  bigint not null,         -- every message in it below this id is finished
    told_at         timestamptz              -- when the log said what keeps it
);

-- Partitions that are being detached and dropped; one that was interrupted goes on from where it is.
create table leaving_partition (
    name    text primary key,
    parent  text not null,
    since   timestamptz not null default now()
);

-- How far the texts were walked through, of one client, or (client_id 0) the Otp of all.
create table text_walk (
    client_id  integer primary key,
    passed     bigint not null default 0,    -- every message up to this id is wiped, in text_left, or to be kept
    next_at    timestamptz not null default now()
);
insert into text_walk (client_id) values (0);

-- Messages that the walk passed while their text was still needed.
create table text_left (
    message_id  bigint primary key,
    look_at     timestamptz not null
);
create index text_left_look_at on text_left (look_at);
