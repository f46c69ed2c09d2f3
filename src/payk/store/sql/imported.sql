-- name: first_message_id
-- The first id of this centre's own; those of other centres lie below.
select message_id from first_message_id;

-- name: add
-- Adds messages of another centre by columns; those whose ids are known already stay as they are. Answers how many it added.
with added as (
    insert into imported_message (message_id, client_id, state, submitted_at, done_at)
    select * from unnest($1::bigint[], $2::integer[], $3::smallint[], $4::timestamptz[], $5::timestamptz[])
        as g (message_id, client_id, state, submitted_at, done_at)
    order by message_id
    on conflict (message_id) do nothing
    returning message_id
)
select count(*) from added;

-- name: complete
-- Writes the final states of messages that were not finished when they were added; answers how many.
with completed as (
    update imported_message i set state = g.state, done_at = g.done_at
    from unnest($1::bigint[], $2::integer[], $3::smallint[], $4::timestamptz[], $5::timestamptz[])
        as g (message_id, client_id, state, submitted_at, done_at)
    where i.message_id = g.message_id and i.client_id = g.client_id and i.submitted_at = g.submitted_at
      and i.state in (0, 1, 6) and g.state not in (0, 1, 6)
    returning i.message_id
)
select count(*) from completed;

-- name: compare
-- Those of these messages that are not stored just so: unknown, stored but not finished, or stored otherwise.
select g.message_id, i.message_id is null as unknown,
       coalesce(i.client_id = g.client_id and i.submitted_at = g.submitted_at
                and i.state in (0, 1, 6) and g.state not in (0, 1, 6), false) as unfinished
from unnest($1::bigint[], $2::integer[], $3::smallint[], $4::timestamptz[], $5::timestamptz[])
    as g (message_id, client_id, state, submitted_at, done_at)
left join imported_message i on i.message_id = g.message_id
where (i.client_id, i.state, i.submitted_at, i.done_at)
      is distinct from (g.client_id, g.state, g.submitted_at, g.done_at);

-- name: read
-- A message of another centre, and the name of its client.
select c.name as client, i.client_id, i.submitted_at, i.done_at, i.state
from imported_message i join client c on c.client_id = i.client_id where i.message_id = $1;

-- name: drop
-- Looks at the next $2 messages behind id $1 and drops those that were submitted before $3; answers the last one, and how
-- many it dropped.
with looked_at as materialized (
    select message_id, submitted_at from imported_message where message_id > $1 order by message_id limit $2
), dropped as (
    delete from imported_message i using looked_at l
    where i.message_id = l.message_id and l.submitted_at < $3
    returning i.message_id
)
select (select max(message_id) from looked_at) as last, (select count(*) from dropped) as dropped;
