-- What operators say of parts they gave no id to, when they say it, and in which base their receipts write ids.
-- Runs with search_path = payk, inside one transaction. Whatever ran before goes on with the schema of 0001.

-- A part that an operator took without giving it an id: its receipts are found by addresses, as those of uncertain ones.
-- Gone once its final receipt was found.
create table unnamed_part (
    message_id    bigint not null,
    submitted_at  timestamptz not null,
    operator_id   integer not null,
    reference     integer not null,          -- user_message_reference
    part          smallint not null,
    attempt       smallint not null,
    phone         text not null,
    sender        text not null
);
create index unnamed_part_phone on unnamed_part (operator_id, phone);
create index unnamed_part_message on unnamed_part (message_id);
create index unnamed_part_submitted on unnamed_part using brin (submitted_at);

alter table receipt add column operator_done_at timestamptz;     -- done_date, read in the time zone of the link
alter table parked_receipt add column operator_submitted_at timestamptz;
alter table parked_receipt add column operator_done_at timestamptz;

-- How ids in the receipts of a link relate to those in its answers, as matched receipts show.
create table learned_id_mode (
    link_id     integer primary key references link,
    id_mode     text not null check (id_mode in ('raw', 'hex-dec', 'dec-hex')),
    learned_at  timestamptz not null default now()
);

-- The timeline of a message looks its submits up here; without autosummarize it would read all that no vacuum has seen.
drop index receipt_key_message;
create index receipt_key_message on receipt_key using brin (message_id)
    with (pages_per_range = 32, autosummarize = on);
