-- name: counts
-- Parked receipts by operator, counted up to $1 each, with the oldest of those.
select o.operator_id, o.name, c.count, c.oldest
from operator o cross join lateral (
    select count(*) as count, min(received_at) as oldest from (
        select received_at from parked_receipt p where p.operator_id = o.operator_id limit $1
    ) b
) c
where c.count > 0 order by o.name;

-- name: page
-- Parked receipts above an id, of an operator or (null) of any, the oldest first.
select p.parked_id, p.received_at, p.next_try_at, o.name as operator, l.name as link, p.tries, p.smsc_id, p.raw_state,
       p.error, p.source, p.destination
from parked_receipt p join operator o using (operator_id) join link l using (link_id)
where p.parked_id > $1 and ($2::text is null or o.name = $2)
order by p.parked_id limit $3;

-- name: retry
-- They are tried at the next look; $2 = of this operator only, null = of any.
update parked_receipt p set next_try_at = now()
where (p.parked_id = any($1::bigint[]) or $1 is null)
  and ($2::text is null or p.operator_id = (select operator_id from operator where name = $2));

-- name: forget
-- They are nobody's: gone for good.
delete from parked_receipt where parked_id = any(array(
    select parked_id from parked_receipt p
    where (p.parked_id = any($1::bigint[]) or $1 is null)
      and ($2::text is null or p.operator_id = (select operator_id from operator where name = $2))
    order by parked_id limit $3));
