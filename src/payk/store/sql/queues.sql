-- name: size
-- About how many rows the queue and what is staged have: what the last vacuum or analyze found, by the size of now.
select (select case when reltuples < 0 or relpages = 0 then 0
               else reltuples / relpages * (pg_relation_size('waiting') / current_setting('block_size')::integer) end
        from pg_class where oid = 'waiting'::regclass)::float8 as waiting,
       (select case when reltuples < 0 or relpages = 0 then 0
               else reltuples / relpages * (pg_relation_size('staged') / current_setting('block_size')::integer) end
        from pg_class where oid = 'staged'::regclass)::float8 as staged;

-- name: depths
-- By queue, lane and client: how many wait, counted up to $1 each, over the index of the ready rows.
with recursive head as (
    (select queue_id, lane, client_id from waiting where claimed_by is null order by queue_id, lane, client_id limit 1)
    union all
    (select n.* from head h cross join lateral (
         select w.queue_id, w.lane, w.client_id from waiting w
         where w.claimed_by is null and (w.queue_id, w.lane, w.client_id) > (h.queue_id, h.lane, h.client_id)
         order by w.queue_id, w.lane, w.client_id limit 1
     ) n)
)
select h.queue_id, h.lane, h.client_id, c.count, c.oldest
from head h cross join lateral (
    select count(*) as count, min(message_id) as oldest from (
        select message_id from waiting w
        where w.claimed_by is null and w.queue_id = h.queue_id and w.lane = h.lane and w.client_id = h.client_id
        order by w.rank, w.label_key, w.message_id limit $1
    ) b
) c;

-- name: sampled_depths
-- The same over $1 percent of the table's pages.
select queue_id, lane, client_id, count(*) as count from waiting tablesample system ($1)
where claimed_by is null group by queue_id, lane, client_id;

-- name: staged
-- What is staged, by queue, lane and client, over $1 percent of its pages; and when the next one is due.
select queue_id, lane, client_id, count(*) as count, min(due) as next_due from staged tablesample system ($1)
group by queue_id, lane, client_id;

-- name: claimed
-- What is claimed: on its way to an operator.
select w.queue_id, w.lane, w.client_id, count(*) as count from waiting w
where w.claimed_by is not null group by w.queue_id, w.lane, w.client_id;

-- name: ages
-- For how many seconds these messages could be sent by now.
select message_id, extract(epoch from now() - greatest(accepted_at, scheduled_at))::float8 as age
from message where message_id = any($1::bigint[]);

-- name: names
-- Of every queue its operators in order; of these clients their names.
select (select json_object_agg(q.queue_id, (
            select json_agg(o.name order by u.n) from unnest(q.operators) with ordinality u (operator_id, n)
            join operator o using (operator_id)))
        from queue q)::text as queues,
       (select json_object_agg(client_id, name) from client where client_id = any($1::integer[]))::text as clients;

-- name: taken_lately
-- Of the newest $1 messages, by type: how many were taken in the last $2 seconds, and how long ago the first of all.
select sms_type, count(*) filter (where accepted_at > clock_timestamp() - make_interval(secs => $2)) as lately,
       extract(epoch from clock_timestamp() - min(accepted_at))::float8 as seconds
from (select sms_type, accepted_at from message order by message_id desc limit $1::integer) newest
group by sms_type;
