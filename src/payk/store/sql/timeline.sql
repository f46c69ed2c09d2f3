-- name: snapshot
-- What follows in this transaction sees one and the same instant.
set transaction isolation level repeatable read, read only;

-- name: find_message
-- A message of a client (null = of any), where it is at this moment, and what it waits for; a claimed one is being handed
-- over, hence Enroute.
select now() as at, m.client_id, m.accepted_at, m.scheduled_at, m.expires_at, m.submitted_at, m.receipt_due, m.done_at, m.parts,
       m.demoted, m.phone, m.label, m.queue_id, nullif(report_reason(m.state, m.reason), '') as reason,
       case when m.state = 0 and w.claimed_by is not null then 1 else m.state end as state,
       c.name as client, coalesce(c.enabled, true) as client_enabled,
       m.sms_type = 3 as is_batch, c.limits ->> 'batch_hours' as batch_hours,
       (c.limits ->> 'pace')::double precision as pace,
       o.name as operator, q.operators[1] as first_operator,
       w.message_id is not null as queued, w.claimed_by, l.name as claimed_link, s.due as held_until,
       coalesce(w.lane, s.lane) as lane, coalesce(w.label_key, s.label_key) as label_key,
       coalesce(w.attempt + w.uncertain_count, s.attempt + s.uncertain_count) as tries,
       a.set_aside_at, a.dealt_with_at, a.released
from message m
left join client c on c.client_id = m.client_id
left join operator o on o.operator_id = m.operator_id
left join queue q on q.queue_id = m.queue_id
left join waiting w on w.message_id = m.message_id
left join link l on l.link_id = w.link_id
left join staged s on s.message_id = m.message_id
left join set_aside a on a.message_id = m.message_id
where ($1::integer is null or m.client_id = $1) and m.message_id = $2;

-- name: find_hours_before
-- The hours for Batch that client $1 got or lost since it was $2. Two seconds more: processes follow within one.
select distinct hours
from registry_change r
cross join lateral jsonb_array_elements(r.difference -> 'changes') line
cross join lateral jsonb_array_elements_text(line #> '{fields,batch_hours}') hours
where r.changed_at >= $2::timestamptz - interval '2 seconds'
  and r.difference @> jsonb_build_object(
          'changes', jsonb_build_array(jsonb_build_object('kind', 'client', 'name', $1::text)))
  and line ->> 'kind' = 'client' and line ->> 'name' = $1 and hours <> '';

-- name: find_queue_operators
-- The operators of a queue in order: whether each may be given something new, how many of its binds are up, and whether
-- it throttles every link that has one, by what processes told within the last seconds.
select o.name,
       o.enabled and not o.draining and exists (
           select from link l where l.operator_id = o.operator_id and l.enabled
           and coalesce(l.options ->> 'draining', 'false') <> 'true') as enabled,
       (select count(*) from link l join bind_lease b on b.link_id = l.link_id
        join process p on p.incarnation = b.incarnation and p.ended_at is null
        where l.operator_id = o.operator_id and b.bound_at is not null) as bound,
       coalesce((select bool_and((t.state ->> 'throttled')::boolean or t.state ->> 'resumes_in' is not null)
        from link l join link_state t on t.link_id = l.link_id and t.told_at > now() - interval '10 seconds'
        join process p on p.incarnation = t.incarnation and p.ended_at is null
        where l.operator_id = o.operator_id and exists (
            select from bind_lease b where b.link_id = t.link_id and b.incarnation = t.incarnation
                                       and b.bound_at is not null)), false) as slowed
from queue q cross join unnest(q.operators) with ordinality as u (operator_id, n)
join operator o on o.operator_id = u.operator_id
where q.queue_id = $1 order by u.n;

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
