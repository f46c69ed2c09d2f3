-- name: take_turns
-- Two who recover the same database take turns.
select pg_advisory_xact_lock(hashtext('payk.recover'));

-- name: ids
-- The highest id that this database knows of, the seconds since the newest message, and of the last million ids: how
-- many they are and over how many seconds they were given away.
with newest as (select message_id, accepted_at from message order by message_id desc limit 1)
select greatest(s.last_value, n.message_id, c.highest_id) as highest,
       coalesce(extract(epoch from now() - n.accepted_at), 0)::double precision as gap,
       coalesce(n.message_id - e.message_id, 0) as drawn,
       coalesce(extract(epoch from n.accepted_at - e.accepted_at), 0)::double precision as during
from message_id s cross join continuity c
left join newest n on true
left join lateral (select message_id, accepted_at from message
                   where message_id >= n.message_id - 1000000 order by message_id limit 1) e on true;

-- name: move_ids
-- From here on ids begin above $1.
select setval('message_id', $1::bigint);

-- name: set_aside
-- What waits now, or was about to be sent when the history ended, may have been sent since.
with given as (
    delete from waiting
    returning message_id, expires_at, first_try_at, client_id, label_key, queue_id, lane, rank, attempt,
              uncertain_count, parts_left
), held as (
    delete from staged where due <= now()
    returning message_id, expires_at, first_try_at, client_id, label_key, queue_id, lane, rank, attempt,
              uncertain_count, parts_left
), moved as (
    insert into set_aside (message_id, expires_at, first_try_at, client_id, label_key, queue_id, lane, rank, attempt,
                           uncertain_count, parts_left)
    select * from given union all select * from held
    on conflict (message_id) do update
    set set_aside_at = now(), dealt_with_at = null, released = null, expires_at = excluded.expires_at,
        first_try_at = excluded.first_try_at, attempt = excluded.attempt,
        uncertain_count = excluded.uncertain_count, parts_left = excluded.parts_left
    returning message_id
)
select count(*) from moved;

-- name: know_line
-- The present line is known from here on.
update continuity
set line = history_line(), since = now(), lost_line = null, lost_what = null, recovered = history_line(),
    highest_id = null;

-- name: at_risk
-- What would be set aside now, and what is, by type and label: how many, of when, how many too late to be sent.
with risk as (
    select message_id from waiting union all
    select message_id from staged where due <= now() union all
    select message_id from set_aside where dealt_with_at is null
)
select m.sms_type, m.label, count(*) as messages, min(m.accepted_at) as oldest, max(m.accepted_at) as newest,
       count(*) filter (where m.expires_at <= now()) as expired
from risk join message m using (message_id)
group by m.sms_type, m.label order by count(*) desc;

-- name: aside
-- The same of what is set aside.
select m.sms_type, m.label, count(*) as messages, min(m.accepted_at) as oldest, max(m.accepted_at) as newest,
       count(*) filter (where m.expires_at <= now()) as expired
from set_aside a join message m using (message_id)
where a.dealt_with_at is null
group by m.sms_type, m.label order by count(*) desc;

-- name: choose
-- Messages that are set aside, above id $1, at most $2 of them: of a type, a label, younger or older than so many
-- seconds; null = any. Parts that an operator is known to have need no sending.
select a.message_id, m.state, m.part_states, m.parts, m.expires_at <= now() as late,
       array(select n from unnest(coalesce(a.parts_left::integer[], array(select * from generate_series(1, m.parts)))) n
             where not exists (select from receipt_key k where k.message_id = a.message_id and k.part = n
                               and k.submitted_at >= m.accepted_at)) as left
from set_aside a join message m using (message_id)
where a.dealt_with_at is null and a.message_id > $1
  and ($3::smallint is null or m.sms_type = $3)
  and ($4::text is null or m.label = $4)
  and ($5::double precision is null or m.accepted_at > now() - make_interval(secs => $5))
  and ($6::double precision is null or m.accepted_at <= now() - make_interval(secs => $6))
order by a.message_id limit $2
for update of a, m;

-- name: put_back
-- Released messages return to the queue, with the parts that are left.
insert into waiting (message_id, expires_at, first_try_at, client_id, label_key, queue_id, lane, rank, attempt,
                     uncertain_count, parts_left)
select a.message_id, a.expires_at, a.first_try_at, a.client_id, a.label_key, a.queue_id, a.lane, a.rank, a.attempt,
       a.uncertain_count, g.parts_left::smallint[]
from unnest($1::bigint[], $2::text[]) as g (message_id, parts_left) join set_aside a using (message_id)
order by a.message_id
returning queue_id, lane, client_id, rank, label_key, message_id;

-- name: deal_with
-- They are set aside no longer; $2 = released, else given up.
update set_aside set dealt_with_at = now(), released = $2 where message_id = any($1::bigint[]);

-- name: prune
-- What was dealt with and is final for a month; timelines tell of it until then.
delete from set_aside where dealt_with_at < now() - interval '31 days';
