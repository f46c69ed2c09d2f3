-- name: transaction_id
-- The id of this transaction.
select pg_current_xact_id()::text;

-- name: transaction_status
-- What became of a transaction whose COMMIT was never confirmed: committed, aborted or in progress.
select pg_xact_status($1::text::xid8);
