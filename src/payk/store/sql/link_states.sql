-- name: tell
-- How the links of a process stand; what it has no more, and what processes that ended left behind, goes. Answers the
-- traces that run (link_traces.sql), so that looking for them costs no round trip.
with gone as (
    delete from link_state s
    where (s.incarnation = $1 and s.link_id <> all($2::integer[]))
       or not exists (select from process p where p.incarnation = s.incarnation and p.ended_at is null)
), told as (
    insert into link_state (incarnation, link_id, state)
    select $1, g.link_id, g.state::jsonb from unnest($2::integer[], $3::text[]) as g (link_id, state)
    order by g.link_id
    on conflict (incarnation, link_id) do update set told_at = now(), state = excluded.state
)
select trace_id, link_id, number, texts, numbers, date_part('epoch', ends_at - now()) as seconds
from link_trace
where ends_at > now() and read_at > now() - interval '15 seconds' and size < $4;

-- name: told
-- What living processes told of their links, with the seconds since then, and the moments of their binds.
select s.incarnation, s.link_id, k.name as link, o.name as operator, extract(epoch from now() - s.told_at)::float8 as age,
       s.told_at, s.state::text as state,
       o.draining or coalesce((k.options ->> 'draining')::boolean, false) as draining,
       array(select b.number from bind_lease b where b.link_id = s.link_id and b.incarnation = s.incarnation
             order by b.number) as numbers,
       array(select b.bound_at from bind_lease b where b.link_id = s.link_id and b.incarnation = s.incarnation
             order by b.number) as bound_at
from link_state s join process p using (incarnation) join link k using (link_id) join operator o using (operator_id)
where p.ended_at is null
order by k.name, s.incarnation;
