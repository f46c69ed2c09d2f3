-- name: begin
-- A healthy standing for every operator that has none.
insert into operator_health (operator_id) select operator_id from operator order by operator_id
on conflict (operator_id) do nothing;

-- name: standings
-- How every operator stood, what its keys say, and the present time; locked, so that two who look agree.
select h.operator_id, o.name, h.sick, h.reason, h.since, h.trouble, h.pause, o.health as watched,
       o.health_refused as refused, o.health_receipts as wanted, o.health_delay as delay, now() as now
from operator_health h join operator o using (operator_id) order by h.operator_id for update of h;

-- name: results
-- What became of messages in the last 30 s by operator and client, as living processes told within 3 s.
select k.operator_id, r.key::integer as client_id, sum((r.value ->> 0)::bigint)::bigint as good,
       sum((r.value ->> 1)::bigint)::bigint as failed
from link_state s join process p using (incarnation) join link k using (link_id),
     jsonb_each(coalesce(s.state -> 'results', '{}'::jsonb)) r
where p.ended_at is null and s.told_at > now() - interval '3 seconds'
group by 1, 2;

-- name: receipts
-- How many messages operators took in the five minutes before the time that receipts are given, and how many of their
-- receipts came within it, as living processes told within 3 s.
select k.operator_id, sum((s.state -> 'receipts_in_time' ->> 0)::bigint)::bigint as taken,
       sum((s.state -> 'receipts_in_time' ->> 1)::bigint)::bigint as in_time
from link_state s join process p using (incarnation) join link k using (link_id)
where p.ended_at is null and s.told_at > now() - interval '3 seconds' and s.state ? 'receipts_in_time'
group by 1;

-- name: put
-- How an operator stands now, if it still stood as it was read.
update operator_health set sick = $3, reason = $4, since = $5, trouble = $6, pause = $7
where operator_id = $1 and sick = $2;

-- name: shift
-- The record of a change.
insert into operator_shift (operator_id, from_state, to_state, reason, figures)
values ($1, $2, $3, $4, $5::text::jsonb);

-- name: prune_shifts
-- Shifts that nobody asks for any more.
delete from operator_shift where at < now() - interval '90 days';

-- name: sick
-- The operators that are sick.
select operator_id from operator_health where sick order by operator_id;

-- name: shown
-- How every operator stands, by name.
select o.name as operator, coalesce(h.sick, false) as sick, coalesce(h.reason, '') as reason, h.since,
       case when h.sick then h.since + make_interval(secs => h.pause) end as probed_until, o.health as watched
from operator o left join operator_health h using (operator_id) order by o.name;

-- name: shifts
-- The last changes of one operator, or of all; the newest first.
select o.name as operator, s.at, s.from_state, s.to_state, s.reason, s.figures::text as figures
from operator_shift s join operator o using (operator_id)
where $1::text is null or o.name = $1 order by s.at desc, s.shift_id desc limit $2;
