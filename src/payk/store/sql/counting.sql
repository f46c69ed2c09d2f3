-- What limits count of a batch of messages, where all of it fits: judged by one statement, counted by another one. What
-- does not fit is told apart message by message (charging.sql).

-- name: fits
-- Whether all of these messages fit as things stand, without a lock, and how many the five minutes in which they are
-- counted, with those before that are touched too, may hold of each number.
-- $1 to $3 are messages: client, number, whether Batch. $4 to $9 are numbers that may get but so many: client, number,
-- Otp or not, how many in an hour and a day (0 = any number), how many are asked for. $10 to $14 are parts by client and
-- Otp or not, with the quotas of a day and a month (0 = none). $15 to $17 are what prepaid clients pay, with what must be
-- left of their balances.
with touched as materialized (
    select case when now() < minutes + interval '2 minutes' then minutes - interval '5 minutes' else minutes end as since
    from (select date_bin('5 minutes', now(), 'epoch') as minutes) five
), number as materialized (
    select g.place, g.asked + u.touched as got,
           least(case when g.of_hour > 0 then g.of_hour - u.hour_before else 2147483647 end,
                 case when g.of_day > 0 then g.of_day - u.day_before else 2147483647 end) as room
    from touched t
    cross join unnest($4::integer[], $5::text[], $6::boolean[], $7::integer[], $8::integer[], $9::integer[])
        with ordinality as g (client_id, phone, otp, of_hour, of_day, asked, place)
    cross join lateral (
        select coalesce(sum(u.count) filter (where u.bucket >= t.since), 0) as touched,
               coalesce(sum(u.count) filter (where u.bucket < t.since), 0) as day_before,
               coalesce(sum(u.count) filter (where u.bucket < t.since and u.bucket > now() - interval '65 minutes'), 0)
                   as hour_before
        from number_use u
        where u.client_id = g.client_id and u.phone = g.phone and u.otp = g.otp
          and u.bucket > now() - interval '24 hours 5 minutes'
    ) u
)
select not exists (
           select from unnest($1::integer[], $2::text[], $3::boolean[]) as g (client_id, phone, batch)
           join blocked_number b on b.phone = g.phone and (b.client_id is null or b.client_id = g.client_id)
            and (b.what = 'everything' or g.batch))
       and not exists (select from number where got > room)
       and not exists (
           select from unnest($10::integer[], $11::boolean[], $12::bigint[], $13::bigint[], $14::bigint[])
               as g (client_id, otp, parts, of_day, of_month)
           cross join lateral (
               select from client_usage u
               where u.client_id = g.client_id and u.otp = g.otp
                 and (u.kind = 'day' and u.period = (now() at time zone 'utc')::date and g.of_day > 0
                      and u.parts + g.parts > g.of_day
                      or u.kind = 'month' and u.period = date_trunc('month', now() at time zone 'utc')::date
                         and g.of_month > 0 and u.parts + g.parts > g.of_month)
               offset 0  -- or PostgreSQL 15 looks for the day among those of all clients
           ) u)
       and not exists (
           select from unnest($10::integer[], $11::boolean[], $12::bigint[], $13::bigint[], $14::bigint[])
               as g (client_id, otp, parts, of_day, of_month)
           where g.of_day > 0 and g.parts > g.of_day or g.of_month > 0 and g.parts > g.of_month)
       and not exists (
           select from unnest($15::integer[], $16::bigint[], $17::bigint[]) as g (client_id, cost, rest)
           left join client_balance b using (client_id)
           where g.cost > 0 and coalesce(b.amount, 0) - g.cost < g.rest) as fit,
       array(select room::integer from number order by place) as rooms;

-- name: count
-- Counts what was found to fit; false where it does not any more, because others were faster: then all of it is to be
-- undone. Numbers come first, then usage, then balances, each sorted, as everywhere.
-- $1 is how long a lock is waited for, in milliseconds, 0 = without end. $2 to $6 are numbers: client, number, Otp or not,
-- how many, and how many the five minutes may hold. $7 to $11 are parts as in fits. $12 to $15 are what prepaid clients
-- pay: the cost, what must be left, and for how many messages.
with moment as materialized (
    select date_bin('5 minutes', now(), 'epoch') as minutes,
           set_config('lock_timeout', $1, true) as has_effect  -- before any row is waited for: all below need `minutes`
), bucket as (
    select minutes as began, 1 as factor from moment
    union all
    select minutes - interval '5 minutes', 0 from moment where now() < minutes + interval '2 minutes'
), counted as (
    insert into number_use as u (client_id, phone, otp, bucket, count)
    select g.client_id, g.phone, g.otp, b.began, g.count * b.factor
    from unnest($2::integer[], $3::text[], $4::boolean[], $5::integer[]) as g (client_id, phone, otp, count)
    cross join bucket b
    order by g.client_id, g.phone, g.otp, b.began
    on conflict (client_id, phone, otp, bucket) do update set count = u.count + excluded.count
    returning client_id, phone, otp, count
), got as materialized (
    select array_agg(total order by client_id, phone collate "C", otp) as totals
    from (select client_id, phone, otp, sum(count) as total from counted group by client_id, phone, otp) each
), used as (
    insert into client_usage as u (client_id, kind, period, otp, parts)
    select g.client_id, p.kind, p.period, g.otp, g.parts
    from got cross join moment
    cross join unnest($7::integer[], $8::boolean[], $9::bigint[]) as g (client_id, otp, parts)
    cross join lateral (values ('day', (now() at time zone 'utc')::date),
                               ('month', date_trunc('month', now() at time zone 'utc')::date)) as p (kind, period)
    order by g.client_id, p.kind, p.period, g.otp
    on conflict (client_id, kind, period, otp) do update set parts = u.parts + excluded.parts
    returning client_id, kind, otp, parts
), over as materialized (
    -- All of `used` is read, whoever is over: what is not read of it would be counted last, behind the balances.
    select coalesce(bool_or(u.kind = 'day' and g.of_day > 0 and u.parts > g.of_day
                            or u.kind = 'month' and g.of_month > 0 and u.parts > g.of_month), false) as quota
    from used u
    join unnest($7::integer[], $8::boolean[], $10::bigint[], $11::bigint[]) as g (client_id, otp, of_day, of_month)
        using (client_id, otp)
), paid as (
    insert into client_balance as b (client_id, amount)
    select g.client_id, -g.cost
    from over cross join unnest($12::integer[], $13::bigint[]) as g (client_id, cost)
    order by g.client_id
    on conflict (client_id) do update set amount = b.amount + excluded.amount
    returning client_id, amount
), entered as (
    insert into balance_entry (client_id, kind, amount, messages)
    select client_id, 'charge', -cost, messages
    from unnest($12::integer[], $13::bigint[], $15::integer[]) as g (client_id, cost, messages) where cost > 0
)
select not (select quota from over)
       and not exists (select from unnest((select totals from got), $6::integer[]) as g (total, room) where total > room)
       and not exists (
           select from paid p
           join unnest($12::integer[], $13::bigint[], $14::bigint[]) as g (client_id, cost, rest) using (client_id)
           where g.cost > 0 and p.amount < g.rest) as fits;
