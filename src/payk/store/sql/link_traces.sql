-- name: lock
-- Those who begin one count, and are counted, one after the other: until the end of the transaction.
select pg_advisory_xact_lock(hashtext('payk.link_traces'));

-- name: begin
-- A trace that begins, unless as many run as may; $6 = that many, $7 = who begins it.
insert into link_trace (link_id, number, texts, numbers, ends_at, begun_by)
select $1, $2, $3, $4, now() + make_interval(secs => $5), $7
where (select count(*) from link_trace where ends_at > now() and read_at > now() - interval '15 seconds') < $6
returning trace_id;

-- name: write
-- What a process saw for a trace: kept while it runs, and until $4 characters of it are; then nothing is. Answers
-- whether it was.
with running as (
    update link_trace set size = size + length($2), lost = lost + $3
    where trace_id = $1 and ends_at > now() - interval '2 seconds' and size < $4
    returning trace_id
), kept as (
    insert into link_trace_piece (trace_id, records) select trace_id, $2 from running where $2 <> ''
)
select exists (select from running);

-- name: missed
-- PDUs of a trace that were not kept, whether it runs or not.
update link_trace set lost = lost + $2 where trace_id = $1;

-- name: look_at
-- What a trace is of and shows, before it is read.
select link_id, number, texts, numbers from link_trace where trace_id = $1;

-- name: seen_by
-- $2 reads a trace that somebody else began, for the first time.
update link_trace set seen_by = array_append(seen_by, $2)
where trace_id = $1 and begun_by is distinct from $2 and $2 <> all(seen_by)
returning trace_id;

-- name: read
-- What follows piece $2 of a trace, $3 pieces at most; those up to it are dropped. With whether more may come, which
-- ends when $4 characters are reached. No row where there is no such trace.
with dropped as (
    delete from link_trace_piece where trace_id = $1 and piece <= $2
), found as (
    update link_trace t set read_at = now() where t.trace_id = $1
    returning t.lost, t.size >= $4 as full_, ends_at + interval '2 seconds' > now() and t.size < $4 as goes_on
)
select f.lost, f.full_, f.goes_on, p.piece, p.records
from found f left join lateral (
    select piece, records from link_trace_piece where trace_id = $1 and piece > $2 order by piece limit $3
) p on true
order by p.piece;

-- name: end
-- A trace ends, and what was kept of it goes. Answers what it was of, and whether it was another's than $2's.
delete from link_trace where trace_id = $1
returning link_id, number, texts, numbers, begun_by is distinct from $2 as of_another;

-- name: prune
-- Traces that ended, or whose reader is gone, with what was kept of them.
delete from link_trace where ends_at < now() - interval '60 seconds' or read_at < now() - interval '60 seconds'
returning trace_id;
