-- name: draw_ids
-- $1 ids for messages that are about to be stored; ids grow for requests that follow each other, on any process. None on
-- a line of history that is not known: they may have been given away on another one.
select nextval('message_id') as message_id from generate_series(1, $1::integer) where line_is_known();

-- name: claim_digests
-- Takes the digests nobody holds for these messages; those without an id ($1 is empty then) get one drawn, as draw_ids
-- says. Answers the ids, in order, and those whose digest is held by another message. $4 and $5 describe kinds: client, window;
-- $6 is the widest window. With $7, where no digest is held, the transaction waits for locks without end from here on.
-- Within a minute of midnight a key is written to both days, so that two processes meet at it whatever day each sees.
with given as materialized (
    select coalesce(g.message_id, nextval('message_id')) as message_id, g.digest,
           ($4::integer[])[g.kind] as client_id, ($5::integer[])[g.kind] as repeat_window
    from unnest($1::bigint[], $2::bytea[], $3::integer[]) as g (message_id, digest, kind)
    where line_is_known()
), days as (
    select distinct d::date as day
    from unnest(array[now() - interval '1 minute', now(), now() + interval '1 minute']) as d
), fresh as (
    select g.* from given g
    where g.digest is not null and not exists (
        select from idempotency k
        where k.day >= (now() - make_interval(secs => $6))::date and k.day < now()::date
          -- not in a form by which partitions are looked for anew for every message
          and k.day - (now() - make_interval(secs => g.repeat_window))::date >= 0
          and k.client_id = g.client_id and k.digest = g.digest
    )
), claimed as (
    insert into idempotency (day, client_id, digest, message_id)
    select days.day, fresh.client_id, fresh.digest, fresh.message_id
    from fresh cross join days
    order by fresh.client_id, fresh.digest, days.day
    on conflict do nothing
    returning message_id
), whole as materialized (
    select message_id from claimed group by message_id having count(*) = (select count(*) from days)
)
select array(select message_id from given) as ids,
       case when t.all_taken then '{}'
            else array(select message_id from given where digest is not null except select message_id from whole)
            end as held,
       case when $7 and t.all_taken then set_config('lock_timeout', '0', true) end as waits_without_end
from (select (select count(digest) from given) = (select count(*) from whole) as all_taken) t;

-- name: find_digests
-- The message that holds each digest, with its state, newest key first.
select k.client_id, k.digest, k.message_id, m.state,
       k.at > now() - make_interval(secs => g.repeat_window) as in_window
from unnest($1::integer[], $2::bytea[], $3::integer[]) as g (client_id, digest, repeat_window)
cross join lateral (
    select * from idempotency k
    where k.day >= (now() - make_interval(secs => g.repeat_window) - interval '1 minute')::date
      and k.day <= (now() + interval '1 minute')::date
      and k.client_id = g.client_id and k.digest = g.digest
    order by k.at desc, k.message_id desc
) k
left join message m on m.message_id = k.message_id;

-- name: take_over_digests
-- Takes keys away from messages that no longer count as a first, only while they still hold them.
with gone as (
    delete from idempotency k
    using unnest($1::integer[], $2::bytea[], $3::bigint[], $4::bigint[]) as t (client_id, digest, old_id, new_id)
    where k.client_id = t.client_id and k.digest = t.digest and k.message_id = t.old_id
      and k.day >= (now() - interval '31 days')::date
    returning t.new_id
)
select distinct new_id from gone;

-- name: hold_digests
-- Gives keys that were just taken over to new messages, under the days of now: look-ups ask no others.
with days as (
    select distinct d::date as day
    from unnest(array[now() - interval '1 minute', now(), now() + interval '1 minute']) as d
)
insert into idempotency (day, client_id, digest, message_id)
select days.day, t.client_id, t.digest, t.new_id
from unnest($1::integer[], $2::bytea[], $3::bigint[]) as t (client_id, digest, new_id) cross join days
order by t.client_id, t.digest, days.day
on conflict (day, client_id, digest) do update set message_id = excluded.message_id, at = now();

-- name: was_stored
-- Whether this very message is in the store, where its transaction cannot be asked for any more.
select exists (select from message where message_id = $1 and client_id = $2 and phone = $3 and text = $4);

-- name: insert_messages
-- Stores new messages: those that may go now into the queue, the others staged. Answers the transaction's mark. $7 to
-- $17 describe kinds, each once, and every message names its own.
with fresh as materialized (
    select g.*, now() as accepted_at, ($7::integer[])[kind] as client_id, ($8::integer[])[kind] as queue_id,
           ($9::smallint[])[kind] as sms_type, ($10::smallint[])[kind] as priority, ($11::text[])[kind] as sender,
           ($12::text[])[kind] as label, ($13::timestamptz[])[kind] as scheduled_at,
           case when ($14::integer[])[kind] > 0
                then greatest(($13::timestamptz[])[kind], now()) + make_interval(secs => ($14::integer[])[kind])
                end as expires_at,
           ($15::integer[])[kind] as label_key, ($16::smallint[])[kind] as lane, ($17::smallint[])[kind] as rank,
           coalesce(($13::timestamptz[])[kind] > now(), false) as later
    from unnest($1::bigint[], $2::smallint[], $3::text[], $4::text[], $5::text[], $6::integer[])
        as g (message_id, parts, phone, text, client_message_id, kind)
), stored as (
    insert into message (message_id, accepted_at, scheduled_at, expires_at, client_id, queue_id, sms_type, priority,
                         parts, part_states, phone, sender, label, client_message_id, text)
    select message_id, accepted_at, scheduled_at, expires_at, client_id, queue_id, sms_type, priority,
           parts, case when parts > 1 then array_fill(0::smallint, array[parts]) end,
           phone, sender, label, client_message_id, text
    from fresh
), queued as (
    insert into waiting (message_id, expires_at, client_id, label_key, queue_id, lane, rank)
    select message_id, expires_at, client_id, label_key, queue_id, lane, rank from fresh where not later
), held as (
    insert into staged (due, message_id, expires_at, client_id, label_key, queue_id, lane, rank)
    select scheduled_at, message_id, expires_at, client_id, label_key, queue_id, lane, rank from fresh where later
)
select server_life() || '@' || pg_current_xact_id() as mark;
