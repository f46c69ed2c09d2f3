-- Forgetting a number. A number that stands in what an operator wrote may be written in its way, so it is compared by its
-- digits, and by those of the national number alone. Tables that have no index by number are gone through a slice at a time,
-- behind one key up to another: a statement may take 30 seconds.

-- name: open_messages
-- How many messages to a number are not final, and how many there are up to which id.
select count(*) filter (where done_at is null) as open, count(*) as messages, coalesce(max(message_id), 0) as highest
from message where phone = $1;

-- name: find_open
-- Messages to a number that are not final and not in the hands of a process, up to id $2, above id $3, at most $4.
select m.message_id from message m
where m.phone = $1 and m.message_id <= $2 and m.message_id > $3 and m.done_at is null
  and not exists (select from waiting w where w.message_id = m.message_id and w.claimed_by is not null)
order by m.message_id limit $4;

-- name: lock_open
-- Those of these messages that are not final and will not be handed over any more; locked, with their records.
select m.message_id, m.state, m.part_states, m.receipt_due as due from message m
where m.message_id = any($1::bigint[]) and m.done_at is null
  and not exists (select from waiting w where w.message_id = m.message_id)
order by m.message_id for update;

-- name: erase_messages
-- Takes number, text and the client's own id from final messages to a number, up to id $2, at most $3 of them.
with picked as (
    select message_id from message
    where phone = $1 and message_id <= $2 and done_at is not null
    order by message_id limit $3 for update
)
update message m set phone = '', text = '', client_message_id = null
from picked where m.message_id = picked.message_id
returning m.message_id;

-- name: erase_uncertain
-- The same of their parts that were never answered.
update uncertain_part set phone = '' where message_id = any($1::bigint[]);

-- name: erase_unnamed
-- Parts that an operator gave no id to are found by number alone.
delete from unnamed_part where message_id = any($1::bigint[]);

-- name: parked_slice
-- The key that ends the next $2 receipts behind $1; none where there are no more.
select parked_id from (select parked_id from parked_receipt where parked_id > $1 order by parked_id limit $2) s
order by parked_id desc limit 1;

-- name: inbound_slice
-- The same of what subscribers sent.
select inbound_id from (select inbound_id from inbound where inbound_id > $1 order by inbound_id limit $2) s
order by inbound_id desc limit 1;

-- name: answer_slice
-- The same of answers that are kept for repeats, behind ($1, $2).
select client_id, digest
from (select client_id, digest from kept_answer where (client_id, digest) > ($1, $2) order by client_id, digest limit $3) s
order by client_id desc, digest desc limit 1;

-- name: erase_parked
-- Receipts that no message is known for.
delete from parked_receipt
where parked_id > $2 and parked_id <= $3
  and (regexp_replace(source, '[^0-9]', '', 'g') = any($1::text[])
       or regexp_replace(destination, '[^0-9]', '', 'g') = any($1::text[]));

-- name: erase_inbound
-- What the subscriber sent.
delete from inbound
where inbound_id > $2 and inbound_id <= $3
  and (regexp_replace(source, '[^0-9]', '', 'g') = any($1::text[])
       or regexp_replace(destination, '[^0-9]', '', 'g') = any($1::text[]));

-- name: erase_counts
-- How many messages it got lately. That it is blocked stays: it would get messages again.
-- For each client apart: the key begins with it.
delete from number_use where client_id = any(array(select client_id from client)) and phone = $1;

-- name: redact_answers
-- Takes a number out of the sentences of answers that are kept for repeats. The answers stay, for what was taken once must
-- not be taken again; so does a number that is the whole of a string, for that is a MessageId which looks like it.
with named as (
    select client_id, digest from kept_answer
    where (client_id, digest) > ($2, $3) and (client_id, digest) <= ($4, $5)
      and position(convert_to($1, 'UTF8') in answer) > 0
      and convert_from(answer, 'UTF8') ~ format('([^0-9"]%1$s(?![0-9])|"%1$s(?![0-9"]))', $1)
    order by client_id, digest for update
)
update kept_answer k
set answer = convert_to(regexp_replace(convert_from(answer, 'UTF8'),
                                       format('([^0-9"]|"(?=%1$s[^0-9"]))%1$s(?![0-9])', $1), '\1***', 'g'), 'UTF8')
from named n where k.client_id = n.client_id and k.digest = n.digest;

-- name: export_messages
-- Messages to a number above id $2, at most $3 of them.
select m.message_id, c.name as client, m.accepted_at, m.scheduled_at, m.expires_at, m.submitted_at, m.done_at,
       o.name as operator, m.sms_type, m.priority, m.state, m.parts, m.phone as number, m.sender, m.label,
       m.client_message_id, m.text
from message m left join client c using (client_id) left join operator o on o.operator_id = m.operator_id
where m.phone = $1 and m.message_id > $2 order by m.message_id limit $3;

-- name: export_submits
-- The parts of messages that operators took.
select k.message_id, k.submitted_at, o.name as operator, k.part, k.attempt, k.smsc_id
from receipt_key k left join operator o using (operator_id)
where k.message_id = any($1::bigint[]) order by k.message_id, k.submitted_at;

-- name: export_uncertain
-- The parts of messages that were never answered.
select u.message_id, u.submitted_at, u.settled_at, o.name as operator, u.part, u.attempt, u.reason
from uncertain_part u left join operator o using (operator_id)
where u.message_id = any($1::bigint[]) order by u.message_id, u.submitted_at;

-- name: export_refusals
-- The parts of messages that operators refused.
select r.message_id, r.refused_at, o.name as operator, r.part, r.attempt, r.command_status
from refusal r left join operator o using (operator_id)
where r.message_id = any($1::bigint[]) order by r.message_id, r.refused_at;

-- name: export_receipts
-- What operators said of messages later.
select r.message_id, r.received_at, o.name as operator, r.part, r.state, r.raw_state, r.error, r.network_error,
       r.done_date, r.smsc_id
from receipt r left join operator o using (operator_id)
where r.message_id = any($1::bigint[]) order by r.message_id, r.received_at;

-- name: export_parked
-- Receipts that no message is known for.
select p.received_at, o.name as operator, p.source, p.destination, p.state, p.raw_state, p.error, p.network_error,
       p.done_date, p.smsc_id
from parked_receipt p left join operator o using (operator_id)
where p.parked_id > $2 and p.parked_id <= $3
  and (regexp_replace(p.source, '[^0-9]', '', 'g') = any($1::text[])
       or regexp_replace(p.destination, '[^0-9]', '', 'g') = any($1::text[]))
order by p.parked_id;

-- name: export_inbound
-- What the subscriber sent.
select i.received_at, o.name as operator, i.source, i.destination, i.pdu
from inbound i left join operator o using (operator_id)
where i.inbound_id > $2 and i.inbound_id <= $3
  and (regexp_replace(i.source, '[^0-9]', '', 'g') = any($1::text[])
       or regexp_replace(i.destination, '[^0-9]', '', 'g') = any($1::text[]))
order by i.inbound_id;

-- name: export_blocks
-- By whom it gets no messages, and of which kind.
select b.at, c.name as client, b.what, b.reason
from blocked_number b left join client c using (client_id) where b.phone = $1 order by b.at, b.blocked_id;

-- name: export_counts
-- How many messages it got lately, by five minutes.
select u.bucket as began, c.name as client, u.otp, u.count as messages
from number_use u join client c using (client_id)
where u.client_id = any(array(select client_id from client)) and u.phone = $1
order by u.bucket, u.client_id, u.otp;

-- name: export_answers
-- The requests whose answer names it, as long as answers are kept for repeats.
select k.at, c.name as client from kept_answer k left join client c using (client_id)
where (k.client_id, k.digest) > ($2, $3) and (k.client_id, k.digest) <= ($4, $5)
  and position(convert_to($1, 'UTF8') in k.answer) > 0
  and convert_from(k.answer, 'UTF8') ~ format('([^0-9"]%1$s(?![0-9])|"%1$s(?![0-9"]))', $1)
order by k.at;
