-- Operators reuse ids, and some give one id to all: the newest submits of an id are found without reading the others.
-- Runs with search_path = payk, inside one transaction. Whatever ran before goes on with it: no query names an index.

-- Both tables are locked for it at once: the lock that the build needs is a lesser one than that for the old index to go,
-- and whoever reads receipt_key in between and is about to write there would make of it a deadlock at the end of the build.
lock table receipt_key, parked_receipt in access exclusive mode;

-- Not the bare submitted_at: queries that look for a message within a time would take this index for the time, whole, if
-- planned while it is empty.
create index receipt_key_newest on receipt_key (operator_id, lower(ltrim(smsc_id, '0')), (submitted_at at time zone 'UTC'));
drop index receipt_key_id;

create index parked_receipt_newest on parked_receipt (operator_id, lower(ltrim(smsc_id, '0')), parked_id);
drop index parked_receipt_id;
