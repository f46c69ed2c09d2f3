-- name: snapshot
-- What follows in this transaction sees one and the same instant.
set transaction isolation level repeatable read, read only;

-- name: find_message
-- A message of a client, and where it waits; a claimed one is being handed over, hence Enroute.
select m.accepted_at, m.scheduled_at, m.done_at, m.parts, m.demoted, w.message_id is not null as queued, s.due as held_until,
       case when m.state = 0 and w.claimed_by is not null then 1 else m.state end as state,
       coalesce(w.attempt + w.uncertain_count, s.attempt + s.uncertain_count) + 1 as next_attempt,
       a.set_aside_at, a.dealt_with_at, a.released
from message m
left join waiting w on w.message_id = m.message_id
left join staged s on s.message_id = m.message_id
left join set_aside a on a.message_id = m.message_id
where m.client_id = $1 and m.message_id = $2;

-- name: find_submits
-- The parts that operators took, and their ids. Nothing is submitted before $2, so older partitions are not read.
-- A receipt may have given an id to one whose answer gave none, or never came; that of the latter is told there.
select distinct on (k.part, k.attempt) k.submitted_at as at, k.part, k.attempt, o.name as operator,
       nullif(k.smsc_id, '') as smsc_id
from receipt_key k left join operator o on o.operator_id = k.operator_id
where k.message_id = $1 and k.submitted_at >= $2
  and not exists (select from uncertain_part u where u.message_id = k.message_id and u.part = k.part
                  and u.attempt = k.attempt and u.submitted_at = k.submitted_at)
order by k.part, k.attempt, ltrim(k.smsc_id, '0') = '', k.submitted_at;

-- name: find_uncertain
-- The parts that were written and not answered, and when it turned out that the operator has them.
select u.submitted_at as at, u.part, u.attempt, o.name as operator, u.reason, u.settled_at as until
from uncertain_part u left join operator o on o.operator_id = u.operator_id
where u.message_id = $1;

-- name: find_refusals
-- The parts that operators refused.
select r.refused_at as at, r.part, r.attempt, o.name as operator, r.command_status
from refusal r left join operator o on o.operator_id = r.operator_id
where r.message_id = $1;

-- name: find_receipts
-- What operators said later.
select r.received_at as at, r.part, o.name as operator, nullif(r.smsc_id, '') as smsc_id, r.state,
       nullif(r.raw_state, '') as raw_state, r.error, r.network_error, r.operator_done_at
from receipt r left join operator o on o.operator_id = r.operator_id
where r.message_id = $1;
