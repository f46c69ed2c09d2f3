-- name: ids_used
-- The share that was given away of the message ids below 2^31: the document types them as integer, which 32 bits hold.
select last_value / 2147483647.0::double precision from message_id;

-- name: report_differences
-- How many differences are not folded into reports yet, counted up to 100,000.
select count(*)::integer from (select from report_delta limit 100000) d;

-- name: partition_ids
-- By table how many ids beyond the last one have a partition.
select p.relname::text as of_table, (max(b.high) - max(s.last_value))::double precision as ahead
from pg_inherits i
join pg_class c on c.oid = i.inhrelid join pg_class p on p.oid = i.inhparent
join pg_namespace n on n.oid = p.relnamespace
cross join lateral (
    select (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \(''?(\d+)''?\)'))[1]::bigint as high
) b
cross join message_id s
where n.nspname = 'payk' and p.relname in ('message', 'receipt')
group by p.relname order by p.relname;

-- name: partition_seconds
-- By table for how many seconds to come there are partitions.
select p.relname::text as of_table,
       date_part('epoch', max(b.high) - now()) as ahead
from pg_inherits i
join pg_class c on c.oid = i.inhrelid join pg_class p on p.oid = i.inhparent
join pg_namespace n on n.oid = p.relnamespace
cross join lateral (
    select (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \(''([^'']+)''\)'))[1]::timestamptz as high
) b
where n.nspname = 'payk' and p.relname in ('idempotency', 'receipt_key')
group by p.relname order by p.relname;

-- name: low_balances
-- How many of these clients have less than $2 left.
select count(*) from unnest($1::integer[]) as c (client_id) left join client_balance b using (client_id)
where coalesce(b.amount, 0) < $2::bigint;

-- name: database_bytes
-- What all files of this database have together: a look at each of them, none is read.
select pg_database_size(current_database());
