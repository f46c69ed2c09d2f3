-- name: insert_receipt_keys
-- Remembers the ids that operators gave to parts; $4 to $8 describe kinds of them. Answers the transaction's mark, and
-- the parked receipts that these ids may belong to, the newest of each.
with stored as (
    insert into receipt_key (submitted_at, message_id, operator_id, link_id, part, attempt, smsc_id)
    select now() - ($4::integer[])[kind] * interval '1 ms', message_id, ($5::integer[])[kind], ($6::integer[])[kind],
           ($7::smallint[])[kind], ($8::smallint[])[kind], smsc_id
    from unnest($1::bigint[], $2::text[], $3::integer[]) as g (message_id, smsc_id, kind)
)
select server_life() || '@' || pg_current_xact_id() as mark, array(
    select p.parked_id
    from (select distinct ($5::integer[])[kind] as operator_id, lower(ltrim(smsc_id, '0')) as smsc_id
          from unnest($2::text[], $3::integer[]) as u (smsc_id, kind)) g
    cross join lateral (
        select parked_id from parked_receipt
        where operator_id = g.operator_id and lower(ltrim(smsc_id, '0')) = g.smsc_id order by parked_id desc limit 50
    ) p
    where exists (select from parked_receipt) and g.smsc_id <> ''
) as early;

-- name: insert_unnamed_parts
-- Parts that operators took without giving them an id.
insert into unnamed_part (message_id, submitted_at, operator_id, reference, part, attempt, phone, sender)
select g.message_id, now() - make_interval(secs => g.age), g.operator_id, g.reference, g.part, g.attempt, m.phone,
       m.sender
from unnest($1::bigint[], $2::double precision[], $3::integer[], $4::integer[], $5::smallint[], $6::smallint[])
    as g (message_id, age, operator_id, reference, part, attempt)
join message m on m.message_id = g.message_id;

-- name: hand_over
-- Single-part messages that an operator has, or may have: out of the queue, None becomes Enroute, a receipt is awaited;
-- and the ids that it gave at the first try, null where they are kept otherwise. $5 to $7 describe kinds of messages:
-- milliseconds since the submit, operator, link. Answers as insert_receipt_keys, and those whose claim was taken away.
-- `is not distinct from` on purpose, here and below: no index serves it, so the rows are looked up by their key.
with given as materialized (
    select * from unnest($2::bigint[], $3::text[], $4::integer[]) as g (message_id, smsc_id, kind)
), stored as (
    insert into receipt_key (submitted_at, message_id, operator_id, link_id, part, attempt, smsc_id)
    select now() - ($5::integer[])[kind] * interval '1 ms', message_id, ($6::integer[])[kind], ($7::integer[])[kind],
           1, 1, smsc_id
    from given where smsc_id is not null
), gone as (
    delete from waiting w using given g
    where w.message_id = g.message_id and w.claimed_by is not distinct from $1
    returning g.message_id, ($6::integer[])[g.kind] as operator_id,
              now() - ($5::integer[])[g.kind] * interval '1 ms' as submitted_at
), moved as (
    update message m
    set state = case m.state when 6 then 6 else 1 end, operator_id = g.operator_id, submitted_at = g.submitted_at,
        receipt_due = coalesce(m.expires_at + make_interval(secs => $9), g.submitted_at + make_interval(secs => $8))
    from gone g
    where m.message_id = g.message_id and m.state in (0, 1, 6)
    returning m.receipt_due, m.message_id
), awaited as (
    insert into awaiting (due, message_id) select receipt_due, message_id from moved
)
select server_life() || '@' || pg_current_xact_id() as mark, array(
    select p.parked_id
    from (select distinct ($6::integer[])[kind] as operator_id, lower(ltrim(smsc_id, '0')) as smsc_id from given) g
    cross join lateral (
        select parked_id from parked_receipt
        where operator_id = g.operator_id and lower(ltrim(smsc_id, '0')) = g.smsc_id order by parked_id desc limit 50
    ) p
    where exists (select from parked_receipt) and g.smsc_id <> ''
) as early,
case when (select count(*) from gone) = cardinality($2::bigint[]) then '{}'
     else array(select message_id from given except select message_id from gone) end as taken_away;

-- name: refuse
-- Single-part messages that were refused for good: out of the queue, final. Enroute ones were uncertain before. Answers
-- those of which something is charged, though surely nobody took them, and the states of all that ended.
with gone as (
    delete from waiting w
    using unnest($2::bigint[], $3::integer[], $4::smallint[], $5::double precision[], $6::text[])
        as g (message_id, operator_id, state, age, reason)
    where w.message_id = g.message_id and w.claimed_by is not distinct from $1
    returning g.*, w.uncertain_count
), ended as (
    update message m
    set state = g.state, operator_id = g.operator_id, submitted_at = now() - make_interval(secs => g.age),
        done_at = now(), reason = g.reason
    from gone g
    where m.message_id = g.message_id and m.state in (0, 1)
    returning m.message_id, m.state, m.charged_on, g.uncertain_count
)
select array(select message_id from ended where charged_on is not null and uncertain_count = 0) as unsent,
       array(select state from ended) as states;

-- name: mark_submitted
-- Single-part messages that may be with an operator but will be sent again: None becomes Enroute.
update message m set state = 1, operator_id = g.operator_id, submitted_at = now() - make_interval(secs => g.age)
from unnest($1::bigint[], $2::integer[], $3::double precision[]) as g (message_id, operator_id, age)
where m.message_id = g.message_id and m.state in (0, 1);

-- name: send_later
-- Claimed messages that will be sent again after a delay: out of the queue, staged.
with gone as (
    delete from waiting w
    using unnest($2::bigint[], $3::double precision[], $4::smallint[], $5::smallint[], $6::boolean[], $7::text[])
        as g (message_id, delay, attempt, uncertain_count, counted, parts_left)
    where w.message_id = g.message_id and w.claimed_by is not distinct from $1
    returning w.message_id, w.expires_at, w.first_try_at, w.client_id, w.label_key, w.queue_id, w.lane, w.rank,
              g.delay, g.attempt, g.uncertain_count, g.counted, g.parts_left
)
insert into staged (due, message_id, expires_at, first_try_at, client_id, label_key, queue_id, lane, rank, attempt,
                    uncertain_count, parts_left)
select now() + make_interval(secs => delay), message_id, expires_at,
       case when counted then coalesce(first_try_at, now()) else first_try_at end,
       client_id, label_key, queue_id, lane, rank, attempt, uncertain_count, parts_left::smallint[]
from gone;

-- name: put_back
-- Claimed messages of which the parts left were surely not taken: back to where they were.
update waiting w set claimed_by = null, link_id = null, parts_left = g.parts_left::smallint[]
from unnest($2::bigint[], $3::text[]) as g (message_id, parts_left)
where w.message_id = g.message_id and w.claimed_by is not distinct from $1
returning w.queue_id, w.lane, w.client_id, w.rank, w.label_key, w.message_id;

-- name: put_back_unknown
-- Claims for a link whose answer never reached this process: nothing of them was written, so they go back.
update waiting set claimed_by = null, link_id = null
where claimed_by = $1 and link_id = $2 and message_id <> all($3::bigint[])
returning queue_id, lane, client_id, rank, label_key, message_id;

-- name: lock_messages
-- Messages that receipts may speak of meanwhile, locked in order.
select message_id, state, part_states from message
where message_id = any($1::bigint[]) order by message_id for update;

-- name: still_claimed
-- Those of these messages whose claim was not taken away.
select message_id from waiting where claimed_by = $1 and message_id = any($2::bigint[]);

-- name: taken_parts
-- Parts of these messages that were uncertain once, and turned out to be with the operator.
select message_id, part from uncertain_part where message_id = any($1::bigint[]) and settled_at is not null;

-- name: write_parts
-- The folded states of messages of several parts, from the states they were locked in.
update message m
set part_states = g.part_states::smallint[], state = g.state,
    operator_id = coalesce(g.operator_id, m.operator_id),
    submitted_at = coalesce(now() - make_interval(secs => g.age), m.submitted_at),
    done_at = case when g.final then coalesce(m.done_at, now()) end, reason = coalesce(g.reason, m.reason)
from unnest($1::bigint[], $2::smallint[], $3::smallint[], $4::text[], $5::boolean[], $6::integer[],
            $7::double precision[], $8::text[])
    as g (message_id, from_state, state, part_states, final, operator_id, age, reason)
where m.message_id = g.message_id and m.state = g.from_state;

-- name: leave_queue
-- Messages of several parts of which nothing is left to send: out of the queue; open ones await their receipts.
with gone as (
    delete from waiting w using unnest($2::bigint[]) as g (message_id)
    where w.message_id = g.message_id and w.claimed_by is not distinct from $1
    returning w.message_id
), moved as (
    update message m
    set receipt_due = coalesce(m.expires_at + make_interval(secs => $4),
                               m.submitted_at + make_interval(secs => $3))
    from gone where m.message_id = gone.message_id and m.state in (1, 6)
    returning m.receipt_due, m.message_id
)
insert into awaiting (due, message_id) select receipt_due, message_id from moved;

-- name: was_recorded
-- Whether an outcome of this part at this try is there.
select exists (select from receipt_key where message_id = $1 and part = $2 and attempt = $3
               and submitted_at > now() - interval '2 days')
    or exists (select from uncertain_part where message_id = $1 and part = $2 and attempt = $3)
    or exists (select from refusal where message_id = $1 and part = $2 and attempt = $3);

-- name: insert_uncertain_parts
-- Parts that were written and never answered.
insert into uncertain_part (message_id, submitted_at, operator_id, link_id, reference, part, attempt, reason, phone,
                            sender)
select g.message_id, now() - make_interval(secs => g.age), g.operator_id, g.link_id, g.reference, g.part, g.attempt,
       g.reason, g.phone, g.sender
from unnest($1::bigint[], $2::double precision[], $3::integer[], $4::integer[], $5::integer[], $6::smallint[],
            $7::smallint[], $8::text[], $9::text[], $10::text[])
    as g (message_id, age, operator_id, link_id, reference, part, attempt, reason, phone, sender);

-- name: insert_refusals
-- What operators answered when they refused, for the timeline.
insert into refusal (message_id, operator_id, link_id, command_status, part, attempt)
select * from unnest($1::bigint[], $2::integer[], $3::integer[], $4::bigint[], $5::smallint[], $6::smallint[]);

-- name: recut
-- Messages that their link cut into another number of parts than intake counted, before any part was handed over.
update message m
set parts = g.parts,
    part_states = case when g.parts > 1 then array_fill(m.state, array[g.parts::integer]) end
from unnest($1::bigint[], $2::smallint[]) as g (message_id, parts)
where m.message_id = g.message_id and m.state in (0, 1);
