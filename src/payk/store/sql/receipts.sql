-- name: settle_plain
-- Final receipts of messages of one part that have left the queue, by the id and the number that the operator's answer
-- and the message have: the state, what the operator said for the timeline, and that nothing is awaited any more. $4 to
-- $12 describe kinds. Answers those that were settled. Of equal ids the one that is written so goes first, then the
-- newest. Rows are locked in the order of their ids; one that another transaction changes is looked at anew after it.
with found as materialized (
    select g.ord, g.smsc_id, g.phone, g.kind, k.message_id, k.attempt
    from unnest($1::text[], $2::text[], $3::integer[]) with ordinality as g (smsc_id, phone, kind, ord)
    cross join lateral (
        select n.message_id, n.attempt from (
            select r.message_id, r.attempt, r.smsc_id, r.submitted_at from receipt_key r
            where r.operator_id = ($4::integer[])[g.kind]
              and lower(ltrim(r.smsc_id, '0')) = lower(ltrim(g.smsc_id, '0'))
            order by r.submitted_at at time zone 'UTC' desc limit 50  -- there are operators that give one id to all
        ) n
        order by n.smsc_id <> g.smsc_id, n.submitted_at desc limit 1
    ) k
    order by k.message_id
), settled as (
    update message m set state = ($6::smallint[])[f.kind], done_at = now(), reason = ($12::text[])[f.kind]
    from found f
    where m.message_id = f.message_id and m.state in (0, 1, 6) and m.part_states is null and m.receipt_due is not null
      and m.phone is not distinct from f.phone  -- no index serves that: there are numbers that got a million messages
      and m.sender >= 'A' collate "C"  -- else the number could be our own sender's
    returning f.ord, f.smsc_id, f.kind, f.attempt, m.message_id, m.receipt_due, m.submitted_at, m.accepted_at,
              m.client_id, m.request_id, m.sms_type, m.priority, m.trace
), said as (
    insert into receipt (message_id, smsc_id, operator_id, link_id, part, state, raw_state, error, network_error,
                         done_date, operator_done_at)
    select message_id, smsc_id, ($4::integer[])[kind], ($5::integer[])[kind], 1, ($6::smallint[])[kind],
           ($7::text[])[kind], ($8::text[])[kind], ($9::bytea[])[kind], ($10::text[])[kind],
           ($11::timestamptz[])[kind]
    from settled
), stopped as (
    delete from awaiting a using settled s where a.due = s.receipt_due and a.message_id = s.message_id
)
select ord::integer - 1 as index, message_id, date_part('epoch', now() - submitted_at) as age,
       client_id, request_id, attempt, date_part('epoch', now() - accepted_at) as way,
       sms_type, priority, trace
from settled;

-- name: about
-- What the log tells of messages that receipts were settled of.
select message_id, client_id, request_id, phone, parts,
       date_part('epoch', now() - submitted_at) as age,
       date_part('epoch', now() - accepted_at) as way, trace
from message where message_id = any($1::bigint[]);

-- name: find_keys
-- The newest submits that ids may be of ($1 to $3: their places, operators, and the ids as they compare): $4 of each, and
-- those of the same instant, as the parts of one submit are. With the seconds since each, and the message as it is now.
select g.place, k.message_id, k.part, k.attempt, k.smsc_id, m.phone, m.sender,
       date_part('epoch', now() - k.submitted_at) as age, m.sms_type, m.priority, m.parts,
       m.state, m.part_states, m.receipt_due
from unnest($1::integer[], $2::integer[], $3::text[]) as g (place, operator_id, smsc_id)
cross join lateral (
    select r.message_id, r.part, r.attempt, r.smsc_id, r.submitted_at from receipt_key r
    where r.operator_id = g.operator_id and lower(ltrim(r.smsc_id, '0')) = g.smsc_id
    order by r.submitted_at at time zone 'UTC' desc fetch first ($4::integer) rows with ties
) k
join message m on m.message_id = k.message_id
order by g.place, k.submitted_at desc;

-- name: find_keys_by_number
-- The same by the numbers that receipts name ($4), for ids that more submits have than were looked at: the last submits
-- of messages to these, by when they were. Of a number that got very many messages none: which ones were the newest, no
-- index says. `is not distinct from` on purpose: looked up by message, each would cost a walk through all partitions.
select g.place, m.message_id, k.part, k.attempt, k.smsc_id, m.phone, m.sender,
       date_part('epoch', now() - k.submitted_at) as age, m.sms_type, m.priority, m.parts,
       m.state, m.part_states, m.receipt_due
from unnest($1::integer[], $2::integer[], $3::text[], $4::text[]) as g (place, operator_id, smsc_id, phone)
cross join lateral (
    select s.*, count(*) over () as messages from (
        select message_id, phone, sender, submitted_at, sms_type, priority, parts, state, part_states, receipt_due
        from message where phone = g.phone limit 200
    ) s
) m
cross join lateral (
    select r.part, r.attempt, r.smsc_id, r.submitted_at from receipt_key r
    where r.operator_id = g.operator_id and lower(ltrim(r.smsc_id, '0')) = g.smsc_id
      and r.submitted_at at time zone 'UTC' >= (m.submitted_at at time zone 'UTC') - interval '5 ms'
      and r.submitted_at at time zone 'UTC' <= (m.submitted_at at time zone 'UTC') + interval '5 ms'
      and r.submitted_at between m.submitted_at - interval '5 ms' and m.submitted_at + interval '5 ms'  -- its partition
      and r.message_id is not distinct from m.message_id
    limit 300
) k
where m.messages < 200
order by g.place, k.submitted_at desc;

-- name: others_on_their_way
-- Of receipts with the message they were matched with: those to whose number another message is just being submitted.
-- From the claimed ones on, which the windows keep few; there are numbers that got a million messages.
with claimed as materialized (
    select message_id from waiting where claimed_by is not null
), on_its_way as materialized (
    select m.message_id, m.phone from claimed c join message m on m.message_id = c.message_id
    where m.phone = any($3::text[])
)
select g.ord from unnest($1::integer[], $2::bigint[], $3::text[]) as g (ord, message_id, phone)
where exists (select from on_its_way o where o.phone = g.phone and o.message_id <> g.message_id);

-- name: find_by_address
-- Uncertain and unnamed parts to the number that a receipt speaks of (with the reference it echoes, if it does), the
-- newest of very many; and whether another message is on its way there, looked for as above.
with claimed as materialized (
    select message_id from waiting where claimed_by is not null
), on_its_way as materialized (
    select m.message_id, m.phone from claimed c join message m on m.message_id = c.message_id
    where m.phone = any($3::text[])
)
select g.ord, u.message_id, u.part, u.attempt, u.reference, u.sender, u.submitted_at, u.taken,
       date_part('epoch', now() - u.submitted_at) as age, u.sms_type, u.priority, u.parts,
       exists (select from on_its_way o where o.phone = g.phone and o.message_id <> u.message_id) as another
from unnest($1::integer[], $2::integer[], $3::text[], $4::integer[]) as g (ord, operator_id, phone, reference)
cross join lateral (
    select p.*, s.sms_type, s.priority, s.parts from (
        select message_id, part, attempt, reference, sender, submitted_at, false as taken from uncertain_part
        where operator_id = g.operator_id and phone = g.phone and settled_at is null
        union all
        select message_id, part, attempt, reference, sender, submitted_at, true from unnamed_part
        where operator_id = g.operator_id and phone = g.phone
    ) p
    -- Of a message that ended otherwise, or long ago, no receipt is expected any more.
    join message s on s.message_id = p.message_id
     and (s.state in (0, 1, 6) or s.state = 7 and p.submitted_at > now() - interval '5 days')
    where g.reference is null or p.reference = g.reference
    order by p.submitted_at desc, p.message_id, p.part limit 100
) u
order by g.ord, u.submitted_at desc, u.message_id, u.part;

-- name: lock_addresses
-- Receipts of these operators are matched by addresses one transaction at a time; taken before any row is locked.
select pg_advisory_xact_lock(hashtext('payk.addresses'), operator_id)
from (select operator_id from unnest($1::integer[]) as g (operator_id) order by operator_id) o;

-- name: name_parts
-- Remembers the ids that receipts gave to parts. Older partitions are dropped one day.
insert into receipt_key (submitted_at, message_id, operator_id, link_id, part, attempt, smsc_id)
select greatest(g.submitted_at, now() - interval '30 days'), g.message_id, g.operator_id, g.link_id, g.part, g.attempt,
       g.smsc_id
from unnest($1::timestamptz[], $2::bigint[], $3::integer[], $4::integer[], $5::smallint[], $6::smallint[], $7::text[])
    as g (submitted_at, message_id, operator_id, link_id, part, attempt, smsc_id);

-- name: forget_unnamed
-- Unnamed parts that a receipt gave an id to, or whose final receipt was found.
delete from unnamed_part u using unnest($1::bigint[], $2::smallint[]) as g (message_id, part)
where u.message_id = g.message_id and u.part = g.part;

-- name: learned_id_modes
-- How ids in the receipts of each link relate to those in its answers.
select link_id, id_mode, learned_at from learned_id_mode;

-- name: learn_id_mode
-- What matched receipts showed of a link.
insert into learned_id_mode (link_id, id_mode) select l.link_id, $2 from link l where l.link_id = $1
on conflict (link_id) do update set id_mode = excluded.id_mode, learned_at = now()
where learned_id_mode.id_mode <> excluded.id_mode;

-- name: lock_messages
-- Messages that receipts speak of, locked in order.
select message_id, state, part_states, receipt_due from message
where message_id = any($1::bigint[]) order by message_id for update;

-- name: settle
-- What operators said ($1 to $3, its kinds $4 to $14), for the timeline; the states that it brings ($15 to $17, kinds $18
-- to $24); and final messages await nothing any more. Answers how many messages were still as they had been seen. A
-- receipt that changed nothing may be a repetition, and is kept but once. A message is done when the last receipt came that
-- made it so: before now where that was parked ($24), but not before its submit, which a receipt may be ahead of.
with said as (
    insert into receipt (message_id, smsc_id, operator_id, link_id, part, state, raw_state, error, network_error,
                         done_date, operator_done_at, received_at)
    select g.message_id, g.smsc_id, g.operator_id, g.link_id, g.part, g.state, g.raw_state, g.error, g.network_error,
           g.done_date, g.operator_done_at, g.received_at
    from (
        select r.message_id, r.smsc_id, ($4::integer[])[kind] as operator_id, ($5::integer[])[kind] as link_id,
               ($6::smallint[])[kind] as part, ($7::smallint[])[kind] as state, ($8::text[])[kind] as raw_state,
               ($9::text[])[kind] as error, ($10::bytea[])[kind] as network_error, ($11::text[])[kind] as done_date,
               ($12::timestamptz[])[kind] as operator_done_at,
               coalesce(($13::timestamptz[])[kind], now()) as received_at, ($14::boolean[])[kind] as maybe_repeated
        from unnest($1::bigint[], $2::text[], $3::integer[]) as r (message_id, smsc_id, kind)
    ) g
    where not g.maybe_repeated or not exists (
        select from receipt r
        where r.message_id = g.message_id and r.part = g.part and r.operator_id = g.operator_id
          and r.state is not distinct from g.state and r.raw_state = g.raw_state
          and r.error is not distinct from g.error and r.network_error is not distinct from g.network_error
          and r.smsc_id is not distinct from g.smsc_id)
), changed as (
    update message m
    set state = ($19::smallint[])[kind], part_states = coalesce(($22::text[])[kind]::smallint[], m.part_states),
        done_at = case when not ($20::boolean[])[kind] then null
                       when m.state = ($19::smallint[])[kind] then m.done_at
                       when ($24::timestamptz[])[kind] is null then now()
                       else least(now(), greatest(
                           ($24::timestamptz[])[kind], m.submitted_at,
                           (select max(r.received_at) from receipt r
                            where r.message_id = m.message_id and r.state in (2, 3, 4, 5, 7, 8))
                       )) end,
        reason = coalesce(($23::text[])[kind], m.reason)
    from unnest($15::bigint[], $16::timestamptz[], $17::integer[]) as g (message_id, due, kind)
    where m.message_id = g.message_id and m.state = ($18::smallint[])[kind]
      and m.part_states is not distinct from ($21::text[])[kind]::smallint[]
    returning m.message_id
), stopped as (
    delete from awaiting a using unnest($15::bigint[], $16::timestamptz[]) as g (message_id, due)
    where a.due = g.due and a.message_id = g.message_id
)
select count(*) from changed;

-- name: park
-- Receipts that no submit is known for, to be tried again.
insert into parked_receipt (operator_id, link_id, reference, state, raw_state, error, network_error, done_date,
                            operator_submitted_at, operator_done_at, source, destination, smsc_id, candidates,
                            next_try_at)
select g.operator_id, g.link_id, g.reference, g.state, g.raw_state, g.error, g.network_error, g.done_date,
       g.operator_submitted_at, g.operator_done_at, g.source, g.destination, g.smsc_id, g.candidates::text[],
       now() + interval '1 second'
from unnest($1::integer[], $2::integer[], $3::integer[], $4::smallint[], $5::text[], $6::text[], $7::bytea[],
            $8::text[], $9::timestamptz[], $10::timestamptz[], $11::text[], $12::text[], $13::text[], $14::text[])
    as g (operator_id, link_id, reference, state, raw_state, error, network_error, done_date, operator_submitted_at,
          operator_done_at, source, destination, smsc_id, candidates);

-- name: unpark
-- Parked receipts that were matched.
delete from parked_receipt where parked_id = any($1::bigint[]);

-- name: postpone_parked
-- Parked receipts that still fit nothing: later, and later each time.
update parked_receipt
set tries = least(tries + 1, 30), next_try_at = now() + make_interval(secs => least(2.0 ^ least(tries + 1, 12), 3600))
where parked_id = any($1::bigint[]);

-- name: parked_by_id
-- Parked receipts that are worth another try; locked, so that one process tries.
select *, date_part('epoch', now() - received_at) as waited
from parked_receipt where parked_id = any($1::bigint[]) order by parked_id for update skip locked;

-- name: parked_due
-- Parked receipts whose next try has come.
select parked_id from parked_receipt where next_try_at <= now() order by next_try_at limit $1;

-- name: insert_inbound
-- Messages from subscribers, whole.
insert into inbound (operator_id, link_id, source, destination, pdu)
select * from unnest($1::integer[], $2::integer[], $3::text[], $4::text[], $5::bytea[]);
