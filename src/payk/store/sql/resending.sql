-- name: lock
-- Outcomes and receipts of a message take turns.
select from message where message_id = any($1::bigint[]) order by message_id for update;

-- name: settle_uncertain
-- Uncertain parts that turned out to be taken.
update uncertain_part u set settled_at = now()
from unnest($1::bigint[], $2::smallint[]) as g (message_id, part)
where u.message_id = g.message_id and u.part = g.part and u.settled_at is null;

-- name: drop_staged_parts
-- Parts that need not be sent again, of messages that wait for their hold to end.
with given as (
    select message_id, array_agg(part) as parts from unnest($1::bigint[], $2::smallint[]) as g (message_id, part)
    group by message_id
)
update staged s
set parts_left = array(select n::smallint from unnest(coalesce(s.parts_left::integer[],
                           array(select * from generate_series(1, m.parts)))) as n
                       where n <> all (given.parts))
from given join message m using (message_id)
where s.message_id = given.message_id and s.uncertain_count > 0;

-- name: drop_waiting_parts
-- The same of messages that are in the queue again, and not claimed; link_id as in holds.drop_waiting, here and below.
with given as (
    select message_id, array_agg(part) as parts from unnest($1::bigint[], $2::smallint[]) as g (message_id, part)
    group by message_id
)
update waiting w
set parts_left = array(select n::smallint from unnest(coalesce(w.parts_left::integer[],
                           array(select * from generate_series(1, m.parts)))) as n
                       where n <> all (given.parts))
from given join message m using (message_id)
where w.message_id = given.message_id and w.link_id is null and w.uncertain_count > 0;

-- name: await_emptied
-- Messages of which nothing is left to send: their receipts are awaited.
with unstaged as (
    delete from staged where message_id = any($1::bigint[]) and parts_left = '{}' returning message_id
), unqueued as (
    delete from waiting where message_id = any($1::bigint[]) and parts_left = '{}' and link_id is null
    returning message_id
), moved as (
    update message m
    set receipt_due = coalesce(m.expires_at + make_interval(secs => $3), m.submitted_at + make_interval(secs => $2))
    where m.message_id in (select message_id from unstaged union all select message_id from unqueued)
      and m.state in (1, 6)
    returning m.receipt_due, m.message_id
)
insert into awaiting (due, message_id) select receipt_due, message_id from moved;

-- name: drop_staged
-- Messages that turned out to be final are not sent again.
delete from staged where message_id = any($1::bigint[]);

-- name: drop_waiting
-- The same of those in the queue; what is claimed is on its way.
delete from waiting where message_id = any($1::bigint[]) and link_id is null;

-- name: keep_unnamed
-- Uncertain parts that turned out to be taken, without an id: their next receipts are found by addresses.
insert into unnamed_part (message_id, submitted_at, operator_id, reference, part, attempt, phone, sender)
select u.message_id, u.submitted_at, u.operator_id, u.reference, u.part, u.attempt, u.phone, u.sender
from unnest($1::bigint[], $2::smallint[], $3::smallint[]) as g (message_id, part, attempt)
join uncertain_part u on u.message_id = g.message_id and u.part = g.part and u.attempt = g.attempt;
