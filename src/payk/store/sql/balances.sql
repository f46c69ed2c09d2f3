-- name: find_client
-- A client by its name.
select client_id from client where name = $1;

-- name: lock_balance
-- What a client has left; locked, with a row of its own from now on.
insert into client_balance as b (client_id, amount) values ($1, 0)
on conflict (client_id) do update set amount = b.amount
returning amount;

-- name: find_entry
-- The entry of a client under a reference of the caller.
select entry_id, at, kind, amount, messages, reference, author, note from balance_entry
where client_id = $1 and reference = $2;

-- name: add_entry
-- Adds to a balance, with the entry that says why; answers what is left, and the entry.
with changed as (
    update client_balance set amount = amount + $3 where client_id = $1 returning amount
)
insert into balance_entry (client_id, kind, amount, reference, author, note) values ($1, $2, $3, $4, $5, $6)
returning (select amount from changed) as balance, entry_id, at;

-- name: read_balance
-- What a client has left.
select coalesce((select amount from client_balance where client_id = $1), 0);

-- name: read_entries
-- Entries of a client before $2 (null = from the newest on), newest first, $3 at most.
select entry_id, at, kind, amount, messages, reference, author, note from balance_entry
where client_id = $1 and ($2::bigint is null or entry_id < $2)
order by entry_id desc limit $3;

-- name: read_usage
-- What a client used of the present day and month, Otp apart.
select p.kind, p.period, o.otp, coalesce(u.parts, 0) as parts
from (values ('day', (now() at time zone 'utc')::date),
             ('month', date_trunc('month', now() at time zone 'utc')::date)) as p (kind, period)
cross join (values (false), (true)) as o (otp)
left join client_usage u on u.client_id = $1 and u.kind = p.kind and u.period = p.period and u.otp = o.otp
order by p.kind, o.otp;

-- name: prune_entries
-- Of the $3 entries behind $1 drops those from more than $2 days ago, but none with a reference; answers the last that is
-- so old, null where none is, and how many went.
with looked as materialized (
    select entry_id, reference from balance_entry
    where entry_id > $1 and at < now() - make_interval(days => $2::integer)
      and entry_id <= (select max(entry_id) from (
          select entry_id from balance_entry where entry_id > $1 order by entry_id limit $3) slice)
    order by entry_id
), gone as (
    delete from balance_entry where entry_id = any(array(select entry_id from looked where reference is null))
    returning 1
)
select (select max(entry_id) from looked) as last, (select count(*) from gone) as gone;
