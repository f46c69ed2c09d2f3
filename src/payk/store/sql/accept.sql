-- name: draw_ids
-- $1 ids for messages that are about to be stored; ids grow for requests that follow each other, on any process. None on
-- a line of history that is not known: they may have been given away on another one.
select nextval('message_id') as message_id from generate_series(1, $1::integer) where line_is_known();

-- name: claim_digests
-- Takes the digests nobody holds for these messages, and answers those whose digest is held by another one. $4 and $5
-- describe kinds: client, window; $6 is the widest window.
-- Within a minute of midnight a key is written to both days, so that two processes meet at it whatever day each sees.
-- Days before are looked at one by one, here and below: in a range of days PostgreSQL 15 to 17 read all keys of each. The
-- range is there besides, so that partitions of other days are left out where the statement begins.
with given as materialized (
    select g.message_id, g.digest, ($4::integer[])[g.kind] as client_id, ($5::integer[])[g.kind] as repeat_window
    from unnest($1::bigint[], $2::bytea[], $3::integer[]) as g (message_id, digest, kind)
), days as (
    select distinct d::date as day
    from unnest(array[now() - interval '1 minute', now(), now() + interval '1 minute']) as d
), days_before as materialized (
    select now()::date - back as day
    from generate_series(1, now()::date - (now() - make_interval(secs => $6))::date) as back
), fresh as (
    select g.* from given g
    where not exists (
        select from days_before d cross join lateral (
            select from idempotency k
            where k.day >= (now() - make_interval(secs => $6))::date and k.day < now()::date
              and k.day = d.day and k.client_id = g.client_id and k.digest = g.digest limit 1
        ) k
        where d.day >= (now() - make_interval(secs => g.repeat_window))::date
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
select array(select message_id from given except select message_id from whole) as held;

-- name: find_digests
-- The messages that hold each digest, each with its state and the day of its key, newest key first.
select k.day, k.client_id, k.digest, k.message_id, m.state,
       k.at > now() - make_interval(secs => g.repeat_window) as in_window
from unnest($1::integer[], $2::bytea[], $3::integer[]) as g (client_id, digest, repeat_window)
cross join lateral (
    select k.*
    from generate_series(0, (now() + interval '1 minute')::date
                            - (now() - make_interval(secs => g.repeat_window) - interval '1 minute')::date) as back
    cross join lateral (
        select * from idempotency k
        where k.day = (now() + interval '1 minute')::date - back and k.client_id = g.client_id and k.digest = g.digest
        limit 1  -- there is no more than one; so the days go first, however the tables look
    ) k
    order by k.at desc, k.message_id desc
) k
left join message m on m.message_id = k.message_id;

-- name: take_over_digests
-- Takes keys away from messages that no longer count as a first, only while they still hold them.
with gone as (
    delete from idempotency k
    using unnest($1::date[], $2::integer[], $3::bytea[], $4::bigint[], $5::bigint[])
              as t (day, client_id, digest, old_id, new_id)
    where k.day = t.day and k.client_id = t.client_id and k.digest = t.digest and k.message_id = t.old_id
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

-- part: storing
-- What `take` does, where `judged` says that the messages fit.
moment as materialized (
    select case when $23::boolean then now() else statement_timestamp() end as at,
           set_config('lock_timeout', $3, true) as has_effect  -- before any digest is waited for: all rows below need `at`
), given as materialized (
    select coalesce(g.message_id, nextval('message_id')) as message_id, g.digest, g.parts, g.phone, g.text,
           g.client_message_id, g.kind, g.request_id, g.trace, m.at, ($9::integer[])[g.kind] as client_id
    from moment m
    cross join unnest($1::bigint[], $2::bytea[], $4::smallint[], $5::text[], $6::text[], $7::text[], $8::integer[],
                      $25::text[], $26::bytea[])
        as g (message_id, digest, parts, phone, text, client_message_id, kind, request_id, trace)
    where (select fit from judged) and (select line_is_known())
), days as (
    select distinct d::date as day
    from unnest(array[statement_timestamp() - interval '1 minute', statement_timestamp(),
                      statement_timestamp() + interval '1 minute']) as d
), days_before as materialized (
    select statement_timestamp()::date - back as day
    from generate_series(1, statement_timestamp()::date
                            - (statement_timestamp() - make_interval(secs => $22))::date) as back
), unheld as (
    select g.* from given g
    where g.digest is not null and not exists (
        select from days_before d cross join lateral (
            select from idempotency k
            where k.day >= (statement_timestamp() - make_interval(secs => $22))::date
              and k.day < statement_timestamp()::date
              and k.day = d.day and k.client_id = g.client_id and k.digest = g.digest limit 1
        ) k
        where d.day >= (statement_timestamp() - make_interval(secs => ($17::integer[])[g.kind]))::date
    )
), claimed as (
    insert into idempotency (day, client_id, digest, message_id, at)
    select days.day, u.client_id, u.digest, u.message_id, u.at
    from unheld u cross join days
    order by u.client_id, u.digest, days.day
    on conflict do nothing
    returning message_id
), whole as materialized (
    select message_id from claimed group by message_id having count(*) = (select count(*) from days)
), taken as materialized (
    select t.all_of_them,
           case when t.all_of_them is not null then set_config('lock_timeout', '0', true) end as has_effect
    from (select (select count(digest) from given) = (select count(*) from whole) as all_of_them) t
), fresh as materialized (
    select g.*, ($10::integer[])[kind] as queue_id, ($11::smallint[])[kind] as sms_type,
           ($12::smallint[])[kind] as priority, ($13::text[])[kind] as sender, ($14::text[])[kind] as label,
           ($15::timestamptz[])[kind] as scheduled_at,
           case when ($16::integer[])[kind] > 0
                then greatest(($15::timestamptz[])[kind], at) + make_interval(secs => ($16::integer[])[kind])
                end as expires_at,
           ($18::boolean[])[kind] as demoted, ($24::bigint[])[kind] as price,
           ($19::integer[])[kind] as label_key, ($20::smallint[])[kind] as lane, ($21::smallint[])[kind] as rank,
           coalesce(($15::timestamptz[])[kind] > at, false) as later
    from taken cross join given g
    where taken.all_of_them or g.digest is null or g.message_id in (select message_id from whole)
), stored as (
    insert into message (message_id, accepted_at, scheduled_at, expires_at, client_id, queue_id, sms_type, priority,
                         parts, part_states, phone, sender, label, client_message_id, text, demoted, charged_on,
                         charged_parts, charged, request_id, trace)
    select message_id, at, scheduled_at, expires_at, client_id, queue_id, sms_type, priority,
           parts, case when parts > 1 then array_fill(0::smallint, array[parts]) end,
           phone, sender, label, client_message_id, text, demoted,
           case when price is not null then (now() at time zone 'utc')::date end, case when price is not null then parts end,
           parts * price, request_id, trace
    from fresh
), queued as (
    insert into waiting (message_id, expires_at, client_id, label_key, queue_id, lane, rank)
    select message_id, expires_at, client_id, label_key, queue_id, lane, rank from fresh where not later
), later as (
    insert into staged (due, message_id, expires_at, client_id, label_key, queue_id, lane, rank)
    select scheduled_at, message_id, expires_at, client_id, label_key, queue_id, lane, rank from fresh where later
)

-- part: answer
-- What `take` answers: all ids, in order; those that were left out; the transaction's mark.
array(select message_id from given) as ids,
       case when (select all_of_them from taken) then '{}'
            else array(select message_id from given except select message_id from fresh) end as held,
       server_life() || '@' || pg_current_xact_id() as mark

-- name: take
-- Stores new messages: those that may go now into the queue, the others staged. $1 are their ids; where it is empty they
-- are drawn, as draw_ids says. $2 are their digests, which are taken as claim_digests does it; messages whose digest
-- another one holds are left out. What is being stored elsewhere is waited for $3 milliseconds (0 = without end), and
-- locks on tables without end, for a batch is not split because a table is being migrated. $4 to $7 are columns; each
-- message names its kind by $8, and $9 to $21 describe those; $22 is the widest window. With $23 the messages are accepted
-- at the moment of the transaction, else of the statement, for the former may have begun before they came.
-- $24 is what a part costs, by kind; null = it is not counted. $25 are the ids of their
-- requests, $26 their traces.
with judged as (
    select true as fit
),
{accept.storing}
select
{accept.answer};
