-- name: look
-- The line of this server, the one that is known, and what a process missed on this one.
select history_line() as line, c.line as known_line, c.since, c.highest_id,
       case when c.lost_line = history_line() then c.lost_what end as lost_what
from continuity c;

-- name: missing_messages
-- Those of these messages that this database does not have. What lies below all that is kept has grown old and gone.
select g.message_id from unnest($1::bigint[]) as g (message_id)
where not exists (select from message m where m.message_id = g.message_id)
  and g.message_id >= (
      select min(substring(pg_get_expr(c.relpartbound, c.oid) from 'FROM \(''?(\d+)')::bigint)
      from pg_inherits i join pg_class c on c.oid = i.inhrelid
      where i.inhparent = 'message'::regclass and not i.inhdetachpending);

-- name: missing_outcomes
-- Those of these submits, as messages, of which this database holds neither an answer nor that none came.
select distinct g.message_id
from unnest($1::bigint[], $2::smallint[], $3::smallint[]) as g (message_id, part, attempt)
where not exists (select from receipt_key k where k.message_id = g.message_id and k.part = g.part
                  and k.attempt = g.attempt and k.submitted_at > now() - interval '2 days')
  and not exists (select from uncertain_part u where u.message_id = g.message_id and u.part = g.part
                  and u.attempt = g.attempt);

-- name: missing_claims
-- Those of these messages that this incarnation does not hold here.
select g.message_id from unnest($2::bigint[]) as g (message_id)
where not exists (select from waiting w where w.message_id = g.message_id and w.claimed_by = $1);

-- name: vouch
-- This process found on this line all that it had written.
update process set vouches_for = history_line(), vouched_at = now()
where incarnation = $1 and history_line() = $2;

-- name: mark_lost
-- On this line something is missing that was committed: only a person may say what is to be sent, unless one has. Known
-- already, because whoever misses something was not to be seen, it is unknown again.
update continuity
set lost_line = history_line(), lost_what = $2, highest_id = greatest(highest_id, $3),
    line = case when line = history_line() then '' else line end
where history_line() = $1 and recovered is distinct from $1;

-- name: recognise
-- Goes on, on a line where every process that lives and knew the one before has found its last commits, and at least
-- one did. A second later than the first of them, for one whose very registration was lost cannot be seen here.
update continuity c set line = history_line(), since = now()
where c.line <> history_line() and c.lost_line is distinct from history_line()
  and exists (select from process p where p.ended_at is null and p.vouches_for = history_line()
              and p.vouched_at < now() - interval '1 second')
  and not exists (select from process p where p.ended_at is null and p.line is distinct from history_line()
                  and p.vouches_for is distinct from history_line())
returning line;
