-- Numbers of a long list that was blocked or freed, beside the entry of the audit log that says so.
-- Runs with search_path = payk, inside one transaction. Whatever ran before goes on with the schema of 0025: it writes
-- none, and its entries hold their numbers themselves.

create sequence audit_list_id;

create table audit_list (
    list_id  bigint not null,                -- the entry names it, with the SHA-256 of all its digests
    place    integer not null,               -- from 0
    digests  bytea not null,                 -- of numbers, 16 octets each, one behind the other
    primary key (list_id, place)
);
alter table audit_list alter column digests set storage external;  -- digests do not become smaller

create trigger only_added_to before update or delete or truncate on audit_list
    for each statement execute function refuse_audit_change();
