-- name: stage_due
-- Staged messages whose time has come enter the queue.
with due as (
    select message_id from staged where due <= now() order by due limit $1 for update skip locked
), gone as (
    delete from staged s using due where s.message_id = due.message_id returning s.*
)
insert into waiting (message_id, expires_at, first_try_at, client_id, label_key, queue_id, lane, rank, attempt,
                     uncertain_count, parts_left)
select message_id, expires_at, first_try_at, client_id, label_key, queue_id, lane, rank, attempt, uncertain_count,
       parts_left
from gone
returning queue_id, lane, client_id, rank, label_key, message_id;

-- name: expired_waiting
-- Messages in the queue, not claimed, whose time to be sent is over; locked, with their records. What is held does not
-- expire; nor what was held, before the time that it was is added. link_id as in holds.drop_waiting.
select w.message_id, m.state, m.part_states
from waiting w join message m on m.message_id = w.message_id
where w.expires_at <= now() and w.link_id is null and not exists (
    select from hold h
    where h.settled_at is null and (h.client_id is null or h.client_id = w.client_id)
      and (h.label is null or w.label_key = any(h.label_keys))
      and (h.sms_type is null or h.sms_type = case w.lane when 0 then 2 when 4 then 3 else 1 end)
      and (h.operator_id is null or h.operator_id = (select operators[1] from queue q where q.queue_id = w.queue_id))
)
order by w.expires_at limit $1
for update of w, m skip locked;

-- name: expired_staged
-- The same among the staged ones, such as those that wait for another try.
select s.message_id, m.state, m.part_states
from staged s join message m on m.message_id = s.message_id
where s.expires_at <= now() and not exists (
    select from hold h
    where h.settled_at is null and (h.client_id is null or h.client_id = s.client_id)
      and (h.label is null or s.label_key = any(h.label_keys))
      and (h.sms_type is null or h.sms_type = case s.lane when 0 then 2 when 4 then 3 else 1 end)
      and (h.operator_id is null or h.operator_id = (select operators[1] from queue q where q.queue_id = s.queue_id))
)
order by s.expires_at limit $1
for update of s, m skip locked;

-- name: drop_unsent
-- Nothing of these is sent any more; link_id as in holds.drop_waiting.
with waiting_gone as (delete from waiting where message_id = any($1::bigint[]) and link_id is null)
delete from staged where message_id = any($1::bigint[]);

-- name: await_receipts
-- Messages of which some part is with an operator, and the rest will not be sent: their receipts are awaited.
with moved as (
    update message m
    set receipt_due = coalesce(m.expires_at + make_interval(secs => $3), m.submitted_at + make_interval(secs => $2))
    where m.message_id = any($1::bigint[]) and m.state in (1, 6)
    returning m.receipt_due, m.message_id
)
insert into awaiting (due, message_id) select receipt_due, message_id from moved
on conflict do nothing;

-- name: unanswered
-- Messages whose last receipt is overdue; locked, with their records.
select a.due, a.message_id, m.state, m.part_states
from awaiting a join message m on m.message_id = a.message_id
where a.due <= now()
order by a.due limit $1
for update of a, m skip locked;

-- name: stop_awaiting
-- Answered, or given up.
delete from awaiting a using unnest($1::timestamptz[], $2::bigint[]) as g (due, message_id)
where a.due = g.due and a.message_id = g.message_id;

-- name: ensure_partitions
-- Partitions for what comes next; returns how many were made.
select ensure_partitions();

-- name: old_partitions
-- Partitions whose rows nobody asks for any more: keys of requests, and ids of operators.
select c.relname, p.relname as parent from pg_inherits i
join pg_class c on c.oid = i.inhrelid join pg_class p on p.oid = i.inhparent
join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'payk' and (
    (p.relname = 'idempotency' and to_date(right(c.relname, 8), 'YYYYMMDD') < (now() at time zone 'utc')::date - 32)
 or (p.relname = 'receipt_key' and to_date(right(c.relname, 8), 'YYYYMMDD') < (now() at time zone 'utc')::date - 40));

-- name: prune_parked
-- Receipts that nobody claimed in three days.
delete from parked_receipt where received_at < now() - interval '72 hours';

-- name: prune_unnamed
-- Parts without an id whose final receipt is not expected any more (find_by_address).
delete from unnamed_part where submitted_at < now() - interval '33 days';

-- name: prune_kept_answers
-- Kept answers whose 12 hours are over, with an hour to spare for who is just reading one.
delete from kept_answer k
using (
    select client_id, digest from kept_answer
    where at < now() - interval '13 hours'
    order by at limit $1
    for update skip locked
) old
where k.client_id = old.client_id and k.digest = old.digest;

-- name: prune_processes
-- Incarnations that ended a week ago and hold nothing.
delete from process p
where p.ended_at < now() - interval '7 days'
  and not exists (select from waiting w where w.claimed_by = p.incarnation)
  and not exists (select from bind_lease b where b.incarnation = p.incarnation)
  and not exists (select from duty_lease d where d.incarnation = p.incarnation);
