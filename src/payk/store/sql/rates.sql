-- name: draw
-- Takes tokens out of buckets, up to `wanted` each, or puts them in where that is below zero. Rows are locked in the order
-- of their keys, and made after that: two processes never wait for each other. By the clock after the wait for a lock:
-- time that went back, as after a failover, fills nothing, and counts from there. A bucket that another process is making
-- gets no answer.
with given as (
    select * from unnest($1::integer[], $2::smallint[], $3::double precision[], $4::double precision[],
                         $5::double precision[]) as g (client_id, kind, per_second, burst, wanted)
), locked as materialized (
    select g.*, s.tokens, s.at, clock_timestamp() as now
    from given g join shared_rate s on s.client_id = g.client_id and s.kind = g.kind
    order by g.client_id, g.kind
    for update of s
), filled as (
    select client_id, kind, burst, wanted, now,
           least(burst, tokens + per_second * greatest(0, date_part('epoch', now - at))) as tokens
    from locked
), granted as materialized (
    select client_id, kind, now, least(wanted, greatest(0, tokens)) as granted,
           least(burst, tokens - least(wanted, greatest(0, tokens))) as tokens
    from filled
), drawn as (
    update shared_rate s set tokens = g.tokens, at = g.now
    from granted g where s.client_id = g.client_id and s.kind = g.kind
    returning s.client_id, s.kind, g.granted, s.tokens
), made as (
    insert into shared_rate (client_id, kind, tokens, at)
    select g.client_id, g.kind, g.burst - greatest(0, least(g.wanted, g.burst)), clock_timestamp()
    from given g
    where (select count(*) from locked) >= 0  -- after the locks
      and not exists (select from shared_rate s where s.client_id = g.client_id and s.kind = g.kind)
    order by g.client_id, g.kind
    on conflict do nothing
    returning client_id, kind, tokens
)
select client_id, kind, granted, tokens from drawn
union all
select m.client_id, m.kind, greatest(0, least(g.wanted, g.burst)), m.tokens
from made m join given g on g.client_id = m.client_id and g.kind = m.kind;
