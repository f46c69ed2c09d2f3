-- name: transaction_mark
-- The id of this transaction, and the life of the server that it is an id in.
select server_life() || '@' || pg_current_xact_id() as mark;

-- name: transaction_status
-- What became of a transaction whose COMMIT was never confirmed: committed, aborted or in progress; elsewhere after a
-- crash and on another line of history, where its id may be another transaction's.
select case when split_part($1, '@', 1) = server_life() then pg_xact_status(split_part($1, '@', 2)::xid8)
            else 'elsewhere' end;

-- name: write_nothing
-- A write for its own sake: its COMMIT is answered after all that was committed before is where it must be.
select pg_logical_emit_message(true, 'payk', '');

-- name: end_backend
-- A transaction whose COMMIT never arrived would be kept for as long as the server hopes to hear of its client again.
select pg_terminate_backend(pid) from pg_stat_activity
where state = 'idle in transaction' and split_part($1, '@', 1) = server_life()
  and backend_xid = (split_part($1, '@', 2)::bigint % 4294967296)::text::xid;
