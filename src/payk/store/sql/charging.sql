-- name: find_blocked
-- The places, from 1, of messages whose number takes none of their kind: $1 clients, $2 numbers, $3 whether Batch.
select distinct g.place::integer
from unnest($1::integer[], $2::text[], $3::boolean[]) with ordinality as g (client_id, phone, batch, place)
join blocked_number b on b.phone = g.phone and (b.client_id is null or b.client_id = g.client_id)
 and (b.what = 'everything' or g.batch);

-- name: count_numbers
-- Counts messages ($4, below zero to take some back) to numbers within the five minutes of this transaction. Within two
-- minutes of their beginning the row of those before is touched too, so that two transactions meet at it whatever each
-- sees; none takes so long.
with five as (
    select date_bin('5 minutes', now(), 'epoch') as minutes
), bucket as (
    select minutes as began, 1 as factor from five
    union all
    select minutes - interval '5 minutes', 0 from five where now() < minutes + interval '2 minutes'
)
insert into number_use as u (client_id, phone, otp, bucket, count)
select g.client_id, g.phone, g.otp, b.began, g.count * b.factor
from unnest($1::integer[], $2::text[], $3::boolean[], $4::integer[]) as g (client_id, phone, otp, count)
cross join bucket b
order by g.client_id, g.phone, g.otp, b.began
on conflict (client_id, phone, otp, bucket) do update set count = u.count + excluded.count;

-- name: find_number_use
-- How many messages numbers got, in the order given. Five minutes count as long as any of them lies within the hour, or
-- the 24 hours; the last two columns are the seconds until the oldest do not, of a number that got none the whole span.
select coalesce(sum(u.count) filter (where u.bucket > now() - interval '65 minutes'), 0)::bigint as in_hour,
       coalesce(sum(u.count), 0)::bigint as in_day,
       coalesce(extract(epoch from min(u.bucket) filter (where u.count > 0 and u.bucket > now() - interval '65 minutes')
                                   + interval '65 minutes' - now()), 3600)::double precision as hour_frees,
       coalesce(extract(epoch from min(u.bucket) filter (where u.count > 0) + interval '24 hours 5 minutes' - now()),
                86400)::double precision as day_frees
from unnest($1::integer[], $2::text[], $3::boolean[]) with ordinality as g (client_id, phone, otp, place)
left join number_use u on u.client_id = g.client_id and u.phone = g.phone and u.otp = g.otp
 and u.bucket > now() - interval '24 hours 5 minutes'
group by g.place order by g.place;

-- name: find_totals
-- What clients have used today and in this month, and have left, without a lock: as charge answers it.
select g.client_id, p.kind, g.otp, coalesce(u.parts, 0) as total, now() as now
from unnest($1::integer[], $2::boolean[]) as g (client_id, otp)
cross join lateral (values ('day', (now() at time zone 'utc')::date),
                           ('month', date_trunc('month', now() at time zone 'utc')::date)) as p (kind, period)
left join client_usage u on u.client_id = g.client_id and u.kind = p.kind and u.period = p.period and u.otp = g.otp
union all
select g.client_id, 'balance', false, coalesce(b.amount, 0), now()
from (select distinct client_id from unnest($1::integer[]) as c (client_id)) g
left join client_balance b on b.client_id = g.client_id;

-- name: charge
-- Counts parts of clients, Otp apart, and takes what they cost ($4, null = not prepaid) from their balances; below zero
-- gives back. Answers what each has used and has left with that, as it stands until this transaction ends.
with given as materialized (
    select * from unnest($1::integer[], $2::boolean[], $3::bigint[], $4::bigint[]) as g (client_id, otp, parts, cost)
), today as (
    select (now() at time zone 'utc')::date as day
), used as (
    insert into client_usage as u (client_id, kind, period, otp, parts)
    select g.client_id, p.kind, p.period, g.otp, g.parts
    from given g cross join today t
    cross join lateral (values ('day', t.day), ('month', date_trunc('month', t.day)::date)) as p (kind, period)
    order by g.client_id, p.kind, p.period, g.otp
    on conflict (client_id, kind, period, otp) do update set parts = u.parts + excluded.parts
    returning client_id, kind, otp, parts
), paid as (
    insert into client_balance as b (client_id, amount)
    select client_id, -sum(cost) from given
    where cost is not null and (select count(*) from used) > 0  -- balances after usage, in every process
    group by client_id order by client_id
    on conflict (client_id) do update set amount = b.amount + excluded.amount
    returning client_id, amount
)
select client_id, kind, otp, parts as total, now() as now from used
union all
select client_id, 'balance', false, amount, now() from paid;

-- name: enter_charges
-- What was charged to clients, in their ledgers.
insert into balance_entry (client_id, kind, amount, messages)
select client_id, 'charge', -cost, messages
from unnest($1::integer[], $2::bigint[], $3::integer[]) as g (client_id, cost, messages);

-- name: give_back_digests
-- Messages that were refused hold no digests: the next one like them is new.
delete from idempotency k
using unnest($1::integer[], $2::bytea[], $3::bigint[]) as g (client_id, digest, message_id)
where k.client_id = g.client_id and k.digest = g.digest and k.message_id = g.message_id
  and k.day in (now()::date - 1, now()::date, now()::date + 1);

-- name: give_back_keys
-- Requests that were refused keep no answer.
delete from kept_answer k using unnest($1::integer[], $2::bytea[]) as g (client_id, digest)
where k.client_id = g.client_id and k.digest = g.digest;

-- name: refund
-- Gives back what was counted of messages and what they cost, where that was not done yet; answers how many.
with owed as materialized (
    select message_id, client_id, sms_type = 2 as otp, charged_on, charged_parts, charged
    from message where message_id = any($1::bigint[]) and charged_on is not null
    order by message_id for update
), cleared as (
    update message m set charged_on = null from owed where m.message_id = owed.message_id
), due as materialized (
    select o.client_id, p.kind, p.period, o.otp, sum(o.charged_parts) as parts
    from owed o
    cross join lateral (values ('day', o.charged_on), ('month', date_trunc('month', o.charged_on)::date))
        as p (kind, period)
    group by o.client_id, p.kind, p.period, o.otp
), locked as materialized (
    select u.client_id, u.kind, u.period, u.otp from client_usage u join due d using (client_id, kind, period, otp)
    order by u.client_id, u.kind, u.period, u.otp for update of u
), unused as (
    update client_usage u set parts = greatest(0, u.parts - d.parts)
    from due d join locked l using (client_id, kind, period, otp)
    where (u.client_id, u.kind, u.period, u.otp) = (d.client_id, d.kind, d.period, d.otp)
), amounts as materialized (
    select client_id, sum(charged)::bigint as amount, count(*)::integer as messages
    from owed where charged > 0 and (select count(*) from locked) >= 0  -- balances after usage, as everywhere
    group by client_id
), paid as (
    insert into client_balance as b (client_id, amount) select client_id, amount from amounts order by client_id
    on conflict (client_id) do update set amount = b.amount + excluded.amount
), entered as (
    insert into balance_entry (client_id, kind, amount, messages)
    select client_id, 'refund', amount, messages from amounts
)
select count(*)::integer from owed;

-- name: prune_number_use
-- Counts that no limit looks at any more, $1 rows at a time; nobody writes to them.
delete from number_use
where ctid = any(array(select ctid from number_use where bucket < now() - interval '25 hours' limit $1));

-- name: prune_usage
-- Days and months that ended long ago; refunds of them find nothing to give back.
delete from client_usage where kind = 'day' and period < (now() at time zone 'utc')::date - 400
                            or kind = 'month' and period < (now() at time zone 'utc')::date - 1200;
