-- name: in_force
-- The holds that keep messages back now.
select hold_id, client_id, label, sms_type, operator_id, placed_at, released_at, author, reason, cancels_to is not null
from hold where settled_at is null and released_at is null
order by hold_id;

-- name: released_between
-- Holds that were released after $1, and before hold $3 was at $2: what they kept was moved on already.
select hold_id, client_id, label, sms_type, operator_id, placed_at, released_at, author, reason, cancels_to is not null
from hold where released_at > $1 and (released_at, hold_id) < ($2, $3);

-- name: place
-- A new hold; $6: it also deletes what was accepted so far.
insert into hold (client_id, label, label_keys, sms_type, operator_id, cancels_to, author, reason)
values ($1, $2, $3, $4, $5, case when $6 then (select last_value from message_id) end, $7, $8)
returning hold_id, placed_at;

-- name: release
-- It stands no longer; its walk begins anew, for what it held.
update hold set released_at = now(), walked_to = 0, walk_began = now()
where hold_id = $1 and released_at is null
returning released_at;

-- name: unfinished
-- Holds that were released and not settled, and those that cancel.
select hold_id from hold where settled_at is null and (released_at is not null or cancels_to is not null)
order by hold_id;

-- name: unsettled_of
-- How many holds of an author were released and not settled.
select count(*) from hold where settled_at is null and released_at is not null and author = $1;

-- name: turn
-- A hold that is being dealt with; whoever comes at the same time waits until this slice is committed.
select hold_id, client_id, label, sms_type, operator_id, placed_at, released_at, author, reason, cancels_to is not null,
       label_keys, cancels_to, walked_to, cancelled, too_late,
       walk_began = placed_at as first, now() < placed_at + make_interval(secs => $2) as too_early
from hold where hold_id = $1 and settled_at is null
for update;

-- name: window
-- Of the next $3 messages that wait, and the next that are staged, above id $1 and up to $2 (null = all): those that are
-- meant. `upto` is how far this looked, null = to the end. $8: only those with an ExpiresIn. What is claimed is told
-- apart, for others are just writing to its record.
with queued as (
    select message_id, client_id, lane, label_key, queue_id, expires_at, null::timestamptz as due,
           claimed_by is not null as claimed
    from waiting
    where message_id > $1 and ($2::bigint is null or message_id <= $2) order by message_id limit $3
), later as (
    select message_id, client_id, lane, label_key, queue_id, expires_at, due, false as claimed from staged
    where message_id > $1 and ($2::bigint is null or message_id <= $2) order by message_id limit $3
), seen as (
    select least((select max(message_id) from queued having count(*) = $3),
                 (select max(message_id) from later having count(*) = $3)) as upto
), found as (
    select b.message_id, b.client_id, b.lane, b.label_key, q.operators[1] as operator_id, b.due, b.claimed
    from (select * from queued union select * from later) b join queue q using (queue_id) cross join seen s
    where (s.upto is null or b.message_id <= s.upto)
      and ($4::integer is null or b.client_id = $4)
      and ($5::integer[] is null or b.label_key = any($5))
      and ($6::smallint is null or $6 = case b.lane when 0 then 2 when 4 then 3 else 1 end)
      and ($7::integer is null or q.operators[1] = $7)
      and (not $8::boolean or b.expires_at is not null)
)
select (select upto from seen) as upto, array_agg(message_id) filter (where claimed) as claimed,
       array_agg(message_id order by message_id) filter (where not claimed) as message_ids,
       array_agg(client_id order by message_id) filter (where not claimed) as client_ids,
       array_agg(lane order by message_id) filter (where not claimed) as lanes,
       array_agg(label_key order by message_id) filter (where not claimed) as label_keys,
       array_agg(operator_id order by message_id) filter (where not claimed) as operators,
       array_agg(due order by message_id) filter (where not claimed) as dues
from found;

-- name: with_label
-- How many of these messages have a label.
select count(*) from unnest($1::bigint[]) as g (message_id)
cross join lateral (select m.label from message m where m.message_id = g.message_id offset 0) m
where m.label = $2;

-- name: count_under_label
-- How many messages of client $1 with label $3, under one of its keys $2, wait or are staged and are not claimed; up to $4.
-- Lane by lane, so that the index of the ready rows is gone into where the client's are, as depths does it: for the client
-- alone PostgreSQL 15 to 17 read all of it.
with recursive head as (
    (select queue_id, lane from waiting where claimed_by is null order by queue_id, lane limit 1)
    union all
    (select n.* from head h cross join lateral (
         select w.queue_id, w.lane from waiting w
         where w.claimed_by is null and (w.queue_id, w.lane) > (h.queue_id, h.lane)
         order by w.queue_id, w.lane limit 1
     ) n)
)
select count(*) from (
    select from (
        select w.message_id from head h cross join lateral (
            select message_id from waiting w
            where w.claimed_by is null and w.queue_id = h.queue_id and w.lane = h.lane and w.client_id = $1
              and w.label_key = any($2::integer[])
            offset 0
        ) w
        union all
        select message_id from staged where client_id = $1 and label_key = any($2::integer[])
    ) w cross join lateral (
        select m.label from message m where m.client_id = $1 and m.message_id = w.message_id offset 0
    ) m
    where m.label = $3
    limit $4
) found;

-- name: strangers
-- Of these messages those with another label, or none.
select message_id, label from message where message_id = any($1::bigint[]) and label is distinct from $2;

-- name: part_staged
-- They wait for later under another key; before part_waiting, as drop_staged.
update staged s set label_key = g.label_key from unnest($1::bigint[], $2::integer[]) as g (message_id, label_key)
where s.message_id = g.message_id;

-- name: part_waiting
-- The same in the queue, but for what is just being claimed; link_id as in drop_waiting.
with free as materialized (
    select message_id from waiting where message_id = any($1::bigint[]) and link_id is null
    order by message_id for update skip locked
)
update waiting w set label_key = g.label_key
from unnest($1::bigint[], $2::integer[]) as g (message_id, label_key) join free using (message_id)
where w.message_id = g.message_id
returning w.queue_id, w.lane, w.client_id, w.rank, w.label_key, w.message_id;

-- name: lock_messages
-- Messages as they are now, locked in order; of a label, or (null) of any.
select message_id, state, part_states, greatest(accepted_at, scheduled_at) as since
from message where message_id = any($1::bigint[]) and ($2::text is null or label = $2)
order by message_id for update;

-- name: drop_staged
-- Out of what waits for later. Before drop_waiting: what is being moved to the queue at this moment is found there.
delete from staged where message_id = any($1::bigint[]) returning message_id;

-- name: drop_waiting
-- Out of the queue, but for what is claimed, or is just being claimed. That link_id is null says the same as of
-- claimed_by, and no index is of it: waiting_ready does not begin with the id, and a plan of an empty queue takes it.
delete from waiting w using (
    select message_id from waiting where message_id = any($1::bigint[]) and link_id is null
    order by message_id for update skip locked
) g
where w.message_id = g.message_id returning w.message_id;

-- name: extend_staged
-- Their time to be sent ends so much later; before extend_waiting, as above.
update staged s set expires_at = s.expires_at + g.held
from unnest($1::bigint[], $2::interval[]) as g (message_id, held)
where s.message_id = g.message_id and s.expires_at is not null
returning s.message_id;

-- name: extend_waiting
-- The same of what is in the queue; what is just being claimed goes with the time it has. link_id as in drop_waiting.
with free as materialized (
    select message_id, expires_at from waiting where message_id = any($1::bigint[]) and link_id is null
    order by message_id for update skip locked
)
update waiting w set expires_at = w.expires_at + g.held
from unnest($1::bigint[], $2::interval[]) as g (message_id, held) join free f using (message_id)
where w.message_id = g.message_id and f.expires_at is not null
returning w.message_id;

-- name: extend_messages
-- And in the records of those.
update message m set expires_at = m.expires_at + g.held
from unnest($1::bigint[], $2::interval[]) as g (message_id, held)
where m.message_id = g.message_id and m.message_id = any($3::bigint[]) and m.done_at is null;

-- name: advance
-- How far the walk came, and what it did; $5: it begins anew.
update hold set walked_to = $2, cancelled = cancelled + $3, too_late = greatest(0, too_late + $4),
                walk_began = case when $5 then now() else walk_began end
where hold_id = $1;

-- name: settle
-- Nothing of it is left to be done.
update hold set settled_at = now() where hold_id = $1;

-- name: counts
-- What a cancel did so far, and whether it is done.
select cancelled, too_late, released_at is not null as done from hold where hold_id = $1;

-- name: prune
-- Settled ones, a month later; unless one still stands that they were released beside.
delete from hold h
where h.settled_at < now() - interval '31 days'
  and not exists (select from hold o where o.settled_at is null and o.placed_at < h.released_at);

-- name: lock_chosen
-- Messages of one client, as they are now and locked in order: by their ids.
select message_id, state, part_states from message
where client_id = $1 and message_id = any($2::bigint[])
order by message_id for update;

-- name: is_suspended
-- Whether people suspended client $1: nothing of it leaves.
select not enabled from client where client_id = $1;

-- name: client_numbers
-- Every client by name.
select name, client_id from client;

-- name: operator_numbers
-- Every operator by name.
select name, operator_id from operator;

-- name: link_owners
-- The operator of every link.
select l.name, o.name from link l join operator o using (operator_id);
