-- name: hold_claimed
-- Claimed messages of which nothing was sent, back to the staged ones until $3: their lifetime and the time in which they
-- are tried again count from then. Answers which, and those of this process of which something was sent: they go on.
with given as (
    select g.message_id, g.due, m.expires_at - greatest(m.accepted_at, m.scheduled_at) as lifetime
    from unnest($2::bigint[], $3::timestamptz[]) as g (message_id, due)
    join message m on m.message_id = g.message_id and m.state = 0
    order by g.message_id
    for update of m
), gone as (
    delete from waiting w using given g
    where w.message_id = g.message_id and w.claimed_by is not distinct from $1
    returning w.message_id, w.client_id, w.label_key, w.queue_id, w.lane, w.rank, w.attempt, g.due,
              g.due + g.lifetime as expires_at
), moved as (
    update message m set scheduled_at = g.due, expires_at = g.expires_at
    from gone g where m.message_id = g.message_id
), held as (
    insert into staged (due, message_id, expires_at, client_id, label_key, queue_id, lane, rank, attempt)
    select due, message_id, expires_at, client_id, label_key, queue_id, lane, rank, attempt from gone
    returning message_id
)
select array(select message_id from held) as held,
       array(select w.message_id from waiting w join message m on m.message_id = w.message_id
             where w.message_id = any($2::bigint[]) and w.claimed_by = $1 and m.state <> 0) as begun;
