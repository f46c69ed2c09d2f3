-- name: are_any
-- Whether any number is blocked, for anybody.
select exists (select from blocked_number);

-- name: block
-- Blocks numbers for a client (null = for all); a number that is blocked already gets what is given now.
-- Answers which were not blocked before, and which are blocked otherwise than before.
with given as (
    select distinct on (phone) phone from unnest($2::text[]) as g (phone) order by phone
), before as (
    select b.phone, b.what, b.reason from blocked_number b join given g on g.phone = b.phone
    where b.client_id is not distinct from $1
), written as (
    insert into blocked_number as b (client_id, phone, what, reason, author)
    select $1::integer, phone, $3, $4, $5 from given order by phone
    on conflict (phone, client_id) do update
    set what = excluded.what, reason = excluded.reason, author = excluded.author, at = now()
    where (b.what, b.reason) is distinct from (excluded.what, excluded.reason)
    returning phone
)
select phone, b.phone is not null as known from written w left join before b using (phone) order by phone;

-- name: unblock
-- Numbers of a client (null = of all) that take messages again; answers which were blocked.
with gone as (
    delete from blocked_number where client_id is not distinct from $1 and phone = any($2::text[]) returning phone
)
select phone from gone order by phone;

-- name: list_blocked
-- Blocked numbers behind $1, $2 at most: of one client ($3; those that are blocked for all with $4), beginning with $5.
select b.blocked_id, c.name as client, b.phone as number, b.what, b.reason, b.author, b.at
from blocked_number b left join client c on c.client_id = b.client_id
where b.blocked_id > $1
  and ($3::integer is null or b.client_id = $3) and (not $4::boolean or b.client_id is null)
  and ($5::text is null or starts_with(b.phone, $5))
order by b.blocked_id limit $2;

-- name: find_client
-- A client by its name.
select client_id, default_country from client where name = $1;
