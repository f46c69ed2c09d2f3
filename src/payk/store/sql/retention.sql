-- name: oldest_kept
-- Messages accepted before this may go; never one by which a repeated request could still be recognised.
select now() - greatest(make_interval(days => $1::integer),
                        make_interval(secs => max(greatest(repeat_window, client_message_id_window)) + 3600))
from client;

-- name: partitions
-- Partitions of messages and receipts, with the ids they hold; past = all of these were given away. None on a line of
-- history that is not known: there nothing is decided before a person did.
select c.relname as name, p.relname as parent, b.bounds[1] as low, b.bounds[2] as high,
       b.bounds[2] <= s.last_value as past, i.inhdetachpending as pending
from pg_inherits i
join pg_class c on c.oid = i.inhrelid join pg_class p on p.oid = i.inhparent
join pg_namespace n on n.oid = p.relnamespace
cross join lateral (
    -- Asked once: it is not of this statement's snapshot, and is null once another process has dropped the partition.
    select regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''?(\d+)''?\) TO \(''?(\d+)''?\)')::bigint[] as bounds
    offset 0
) b
cross join message_id s
where n.nspname = 'payk' and p.relname in ('message', 'receipt') and line_is_known() and b.bounds is not null
order by low, parent;

-- name: newest
-- About when the newest message with an id from $1 to below $2 was accepted, by the last thousand ids. Where there is
-- none it counts as old as the first message behind it.
select coalesce(
    (select max(accepted_at) from (select accepted_at from message where message_id >= $1 and message_id < $2
                                   order by message_id desc limit 1000) m),
    (select accepted_at from message where message_id >= $2 order by message_id limit 1));

-- name: what_waits
-- A message with an id from $1 to below $2 that still is to be sent, or that a receipt without an id may be of: where,
-- and which. Asks small tables by their indexes.
(select 'waiting' as place, message_id from waiting where message_id >= $1 and message_id < $2
 order by message_id limit 1)
union all
(select 'staged', message_id from staged where message_id >= $1 and message_id < $2 order by message_id limit 1)
union all
(select 'set aside', message_id from set_aside
 where message_id >= $1 and message_id < $2 and dealt_with_at is null order by message_id limit 1)
union all
(select 'uncertain', message_id from uncertain_part
 where message_id >= $1 and message_id < $2 and settled_at is null and submitted_at > now() - interval '5 days' limit 1)
union all
(select 'unnamed', message_id from unnamed_part
 where message_id >= $1 and message_id < $2 and submitted_at > now() - interval '5 days' limit 1)
limit 1;

-- name: finished_below
-- How far this partition was read.
select finished_below from old_partition where low_id = $1;

-- name: read_on
-- The next $3 messages from id $1 to below $2: the last of them, and the first that is not finished, or younger than $4.
select max(message_id) as last, min(message_id) filter (where done_at is null or accepted_at >= $4) as unfinished
from (select message_id, done_at, accepted_at from message where message_id >= $1 and message_id < $2
      order by message_id limit $3) m;

-- name: was_read
-- Remembers how far it was read.
insert into old_partition (low_id, finished_below) values ($1, $2)
on conflict (low_id) do update set finished_below = excluded.finished_below;

-- name: awaits
-- A message with an id from $1 to below $2 that awaits a receipt. Reads all that is awaited: asked last, and once.
select message_id from awaiting where message_id >= $1 and message_id < $2 limit 1;

-- name: tell
-- Whether the log is to say what keeps this partition: once a day.
insert into old_partition (low_id, finished_below, told_at) values ($1, $1, now())
on conflict (low_id) do update set told_at = now()
where coalesce(old_partition.told_at < now() - interval '1 day', true)
returning low_id;

-- name: forget
-- It is gone.
delete from old_partition where low_id = $1;

-- name: prune_uncertain
-- Parts that were never answered, of messages that are gone: ids from $1 to below $2.
delete from uncertain_part where ctid = any(array(
    select ctid from uncertain_part where message_id >= $1 and message_id < $2 limit $3 for update skip locked));

-- name: prune_refusals
-- Refusals of messages that are gone.
delete from refusal where ctid = any(array(
    select ctid from refusal where message_id >= $1 and message_id < $2 limit $3 for update skip locked));

-- name: prune_inbound
-- What subscribers sent before $1. Their numbers grow with time, so the first $2 tell whether there is any.
delete from inbound where inbound_id = any(array(
    select inbound_id from (select inbound_id, received_at from inbound order by inbound_id limit $2
                            for update skip locked) i
    where received_at < $1));
