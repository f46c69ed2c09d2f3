-- name: head
-- The newest entry and the clock. Makes those who add entries wait for each other, until the end of the transaction.
select sequence, hash, clock_timestamp() as at from audit_head for update;

-- name: look_at_head
-- The newest entry, as whoever added it noted.
select sequence, hash from audit_head;

-- name: add
-- Adds entries.
insert into audit_entry (sequence, at, actor_kind, actor_id, actor_name, address, request_id, act, object_kind,
                         object_name, detail, previous_hash, hash)
select sequence, at, actor_kind, actor_id, actor_name, address, request_id, act, object_kind,
       object_name, detail::json, previous_hash, hash
from unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::text[], $11::text[], $12::bytea[], $13::bytea[])
     as e (sequence, at, actor_kind, actor_id, actor_name, address, request_id, act, object_kind, object_name, detail,
           previous_hash, hash);

-- name: move_head
-- Notes the newest entry.
update audit_head set sequence = $1, hash = $2;

-- name: entries_after
-- Entries in the order of the log, from behind $1, at most $2 of them.
select sequence, at, actor_kind, actor_id, actor_name, address, request_id, act, object_kind, object_name,
       detail::text as detail, previous_hash, hash
from audit_entry where sequence > $1 order by sequence limit $2;

-- name: newest_of_object
-- Entries before $1 of the object of kind $3 and name $4, the newest first, at most $2, of an actor or an act; null = any.
select sequence, at, actor_kind, actor_id, actor_name, address, request_id, act, object_kind, object_name,
       detail::text as detail, previous_hash, hash
from audit_entry
where object_kind = $3 and object_name = $4 and sequence < $1
  and ($5::text is null or actor_name = $5) and ($6::text is null or act = $6)
order by sequence desc limit $2;

-- name: newest
-- Entries before $1 and not before $8, the newest first, at most $2, of an object kind, an object, an actor, an act, or
-- that name the number with a digest (payk.registry.blocking), themselves or in the list beside them; null = any.
select sequence, at, actor_kind, actor_id, actor_name, address, request_id, act, object_kind, object_name,
       detail::text as detail, previous_hash, hash
from audit_entry
where sequence < $1 and sequence >= $8
  and ($3::text is null or object_kind = $3)
  and ($4::text is null or object_name = $4)
  and ($5::text is null or actor_name = $5)
  and ($6::text is null or act = $6)
  and ($7::text is null or act in ('block.add', 'block.remove')
       and (coalesce(detail -> 'added' ->> $7, detail -> 'changed' ->> $7, detail -> 'removed' ->> $7) is not null
            or (detail -> 'list' ->> 'id')::bigint = any(array(
                select list_id from audit_list where position(decode($7, 'hex') in digests) % 16 = 1))))
order by sequence desc limit $2;

-- name: first_since
-- The first entry at or after a moment; null where there is none. Of the thousand that come first by their time, for a
-- clock may have been set back, and their order is that of the log.
select min(sequence) from (
    select sequence from audit_entry where at >= $1 order by at, sequence limit 1000) come_first;

-- name: new_list
-- The id of a list of digests.
select nextval('audit_list_id');

-- name: add_to_list
-- Adds digests to a list.
insert into audit_list (list_id, place, digests) values ($1, $2, $3);

-- name: list_part
-- Digests of a list at a place.
select digests from audit_list where list_id = $1 and place = $2;
