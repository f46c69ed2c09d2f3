-- name: begin
-- A trace that begins, unless as many run as may; $6 = that many.
insert into link_trace (link_id, number, texts, numbers, ends_at)
select $1, $2, $3, $4, now() + make_interval(secs => $5)
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

-- name: read
-- What follows piece $2 of a trace, $3 pieces at most; those up to it are dropped. With whether more may come, which
-- ends when $4 characters are reached. No row where there is no such trace.
with dropped as (
    delete from link_trace_piece where trace_id = $1 and piece <= $2
), found as (
    update link_trace t set read_at = now() where t.trace_id = $1
    returning t.texts, t.numbers, t.lost, t.size >= $4 as full_, ends_at + interval '2 seconds' > now() and t.size < $4 as goes_on
)
select f.texts, f.numbers, f.lost, f.full_, f.goes_on, p.piece, p.records
from found f left join lateral (
    select piece, records from link_trace_piece where trace_id = $1 and piece > $2 order by piece limit $3
) p on true
order by p.piece;

-- name: end
-- A trace ends, and what was kept of it goes.
delete from link_trace where trace_id = $1 returning trace_id;

-- name: prune
-- Traces that ended, or whose reader is gone, with what was kept of them.
delete from link_trace where ends_at < now() - interval '60 seconds' or read_at < now() - interval '60 seconds'
returning trace_id;
