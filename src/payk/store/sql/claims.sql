-- name: present_flows
-- Every flow that has messages waiting, with its lowest id: a skip scan over the index of the ready rows. Of one
-- client's labels the first $1 are enough: the next ones show when these are empty. No limit on the rest: whoever
-- waits behind it would wait for ever.
with recursive head as (
    (select queue_id, lane, client_id, rank, label_key, message_id
     from waiting where claimed_by is null
     order by queue_id, lane, client_id, rank, label_key, message_id limit 1)
    union all
    (select n.* from head h cross join lateral (
         select w.queue_id, w.lane, w.client_id, w.rank, w.label_key, w.message_id
         from waiting w
         where w.claimed_by is null and (w.queue_id, w.lane, w.client_id, w.rank) > (h.queue_id, h.lane, h.client_id, h.rank)
         order by w.queue_id, w.lane, w.client_id, w.rank, w.label_key, w.message_id limit 1
     ) n)
)
select h.queue_id, h.lane, h.client_id, h.rank, l.label_key, l.message_id
from head h cross join lateral (
    with recursive label as (
        select h.label_key, h.message_id
        union all
        (select n.* from label p cross join lateral (
             select w.label_key, w.message_id
             from waiting w
             where w.claimed_by is null and w.queue_id = h.queue_id and w.lane = h.lane
               and w.client_id = h.client_id and w.rank = h.rank and w.label_key > p.label_key
             order by w.label_key, w.message_id limit 1
         ) n)
    )
    select * from label limit $1
) l;

-- name: claim_rows
-- Takes up to `quota` messages of each flow for one link, oldest first. Rows that another claim holds are passed over:
-- SKIP LOCKED must sit inside the pick, for the update would wait for them.
-- By the clock, and not by when it began: what the claim takes is time that its messages waited.
with flow as (
    select * from unnest($3::integer[], $4::smallint[], $5::integer[], $6::smallint[], $7::integer[], $8::bigint[],
                         $9::integer[])
        as f (queue_id, lane, client_id, rank, label_key, low, quota)
    where exists (select from process where incarnation = $1 and ended_at is null) and line_is_known()
), picked as materialized (
    select p.message_id from flow f cross join lateral (
        select w.message_id from waiting w
        where w.claimed_by is null and w.queue_id = f.queue_id and w.lane = f.lane and w.client_id = f.client_id
          and w.rank = f.rank and w.label_key = f.label_key and w.message_id >= f.low
          and (w.expires_at is null or w.expires_at > now())
        order by w.message_id limit f.quota
        for update skip locked
    ) p
), claimed as (
    update waiting w set claimed_by = $1, link_id = $2
    from picked where w.message_id = picked.message_id and w.claimed_by is null
    returning w.*
)
select c.message_id, c.queue_id, c.lane, c.client_id, c.rank, c.label_key, c.attempt, c.uncertain_count, c.parts_left,
       c.expires_at, date_part('epoch', now() - c.first_try_at) as retrying_since,
       c.link_id, m.phone, m.sender, m.text, m.sms_type, m.parts, clock_timestamp() as now,
       m.accepted_at, m.request_id,
       date_part('epoch', clock_timestamp() - greatest(m.accepted_at, m.scheduled_at)) as waited, m.trace
from claimed c join message m on m.message_id = c.message_id
order by c.lane, c.message_id;

-- name: claims_of_ended
-- What processes that have ended held: they may have been sent.
select c.message_id, c.queue_id, c.lane, c.client_id, c.rank, c.label_key, c.attempt, c.uncertain_count, c.parts_left,
       c.expires_at, date_part('epoch', now() - c.first_try_at) as retrying_since,
       c.link_id, m.phone, m.sender, m.text, m.sms_type, m.parts, now() as now,
       m.accepted_at, m.request_id,
       date_part('epoch', now() - greatest(m.accepted_at, m.scheduled_at)) as waited, m.trace, c.claimed_by
from waiting c join message m on m.message_id = c.message_id
where c.claimed_by = any(array(select incarnation from process where ended_at is not null))
order by c.message_id limit $1;

-- name: wake
-- Tells dispatchers that flows gained messages. A crash may lose it, so nobody waits for the disk.
select set_config('synchronous_commit', 'off', true), pg_notify($1, $2);
