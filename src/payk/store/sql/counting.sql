-- What limits count of a batch of messages, where all of it fits: judged, stored and counted by one statement. What does
-- not fit is told apart message by message (charging.sql).

-- name: take_counted
-- Stores new messages of clients with limits as accept.take does, and counts them, if all of them fit as things stand;
-- otherwise nothing is written. What was counted meanwhile elsewhere is seen when it is counted here, so it is asked once
-- more then: where `counted` is false, or any message was left out, all of it is to be undone.
-- $1 to $26 are those of accept.take. $27 to $29 are messages: client, number, whether Batch. $30 to $35 are numbers that
-- may get but so many: client, number, Otp or not, how many in an hour and a day (0 = any number), how many are asked for.
-- $36 to $40 are parts by client and Otp or not, with the quotas of a day and a month (0 = none). $41 to $44 are what
-- prepaid clients pay, what must be left of their balances, and for how many messages.
-- Rows are locked in the order of digests, numbers, usage, balances, each of them sorted, as everywhere.
-- `touched` is when the five minutes begin whose rows are touched; `room` is what these may hold of a number.
with touched as materialized (
    select case when now() < minutes + interval '2 minutes' then minutes - interval '5 minutes' else minutes end as since
    from (select date_bin('5 minutes', now(), 'epoch') as minutes) five
), number as materialized (
    select g.place, g.asked + u.touched as got,
           least(case when g.of_hour > 0 then g.of_hour - u.hour_before else 2147483647 end,
                 case when g.of_day > 0 then g.of_day - u.day_before else 2147483647 end) as room
    from touched t
    cross join unnest($30::integer[], $31::text[], $32::boolean[], $33::integer[], $34::integer[], $35::integer[])
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
), judged as materialized (
    select not exists (
               select from unnest($27::integer[], $28::text[], $29::boolean[]) as g (client_id, phone, batch)
               join blocked_number b on b.phone = g.phone and (b.client_id is null or b.client_id = g.client_id)
                and (b.what = 'everything' or g.batch))
           and not exists (select from number where got > room)
           and not exists (
               select from unnest($36::integer[], $37::boolean[], $38::bigint[], $39::bigint[], $40::bigint[])
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
               select from unnest($36::integer[], $37::boolean[], $38::bigint[], $39::bigint[], $40::bigint[])
                   as g (client_id, otp, parts, of_day, of_month)
               where g.of_day > 0 and g.parts > g.of_day or g.of_month > 0 and g.parts > g.of_month)
           and not exists (
               select from unnest($41::integer[], $42::bigint[], $43::bigint[]) as g (client_id, cost, rest)
               left join client_balance b using (client_id)
               where g.cost > 0 and coalesce(b.amount, 0) - g.cost < g.rest) as fit
),
{accept.storing},
to_count as materialized (
    -- Behind all digests; other ones that count are waited for as long as for those.
    select date_bin('5 minutes', now(), 'epoch') as minutes, set_config('lock_timeout', $3, true) as has_effect
    from taken cross join judged where taken.all_of_them and judged.fit
), bucket as (
    select minutes as began, 1 as factor from to_count
    union all
    select minutes - interval '5 minutes', 0 from to_count where now() < minutes + interval '2 minutes'
), counted as (
    insert into number_use as u (client_id, phone, otp, bucket, count)
    select g.client_id, g.phone, g.otp, b.began, g.count * b.factor
    from bucket b
    cross join unnest($30::integer[], $31::text[], $32::boolean[], $35::integer[]) as g (client_id, phone, otp, count)
    order by g.client_id, g.phone, g.otp, b.began
    on conflict (client_id, phone, otp, bucket) do update set count = u.count + excluded.count
    returning client_id, phone, otp, count
), got as materialized (
    select array_agg(total order by client_id, phone collate "C", otp) as totals
    from (select client_id, phone, otp, sum(count) as total from counted group by client_id, phone, otp) each
), used as (
    insert into client_usage as u (client_id, kind, period, otp, parts)
    select g.client_id, p.kind, p.period, g.otp, g.parts
    from got cross join to_count
    cross join unnest($36::integer[], $37::boolean[], $38::bigint[]) as g (client_id, otp, parts)
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
    join unnest($36::integer[], $37::boolean[], $39::bigint[], $40::bigint[]) as g (client_id, otp, of_day, of_month)
        using (client_id, otp)
), paid as (
    insert into client_balance as b (client_id, amount)
    select g.client_id, -g.cost
    from over cross join to_count cross join unnest($41::integer[], $42::bigint[]) as g (client_id, cost)
    order by g.client_id
    on conflict (client_id) do update set amount = b.amount + excluded.amount
    returning client_id, amount
), entered as (
    insert into balance_entry (client_id, kind, amount, messages)
    select client_id, 'charge', -cost, messages
    from to_count cross join unnest($41::integer[], $42::bigint[], $44::integer[]) as g (client_id, cost, messages)
    where cost > 0
), short as materialized (
    select coalesce(bool_or(g.cost > 0 and p.amount < g.rest), false) as money
    from paid p join unnest($41::integer[], $42::bigint[], $43::bigint[]) as g (client_id, cost, rest) using (client_id)
), found as materialized (
    -- Each of them is asked, so that nothing is counted behind this.
    select (select money from short) as money, (select quota from over) as quota,
           exists (select from unnest((select totals from got), array(select room from number order by place))
                       as g (total, room)
                   where total > room) as numbers
), settled as materialized (
    -- From here on there are locks on tables alone, which are waited for without end.
    select not (money or quota or numbers) as counted, set_config('lock_timeout', '0', true) as has_effect from found
)
select
{accept.answer},
       (select fit from judged) as fit, (select counted from settled) as counted;
