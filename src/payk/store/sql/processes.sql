-- name: register
-- A new incarnation; whatever it will hold lapses with it.
insert into process (host, pid, roles) values ($1, $2, $3) returning incarnation;

-- name: heartbeat
-- Still alive; no row means that somebody found this incarnation silent for too long and ended it.
update process set heartbeat_at = now() where incarnation = $1 and ended_at is null returning incarnation;

-- name: end_process
-- Ends an incarnation that stops by itself and gives its leases back.
with binds as (delete from bind_lease where incarnation = $1),
     duties as (delete from duty_lease where incarnation = $1)
update process set ended_at = now() where incarnation = $1 and ended_at is null;

-- name: end_silent
-- Ends the incarnations that have not been heard of for one lease length.
update process set ended_at = now(), lapsed = true
where ended_at is null and heartbeat_at < now() - make_interval(secs => $1::double precision)
returning incarnation, host, pid;

-- name: lease_binds
-- Takes the binds that nobody alive holds.
insert into bind_lease (link_id, number, incarnation)
select g.link_id, g.number, $1 from unnest($2::integer[], $3::smallint[]) as g (link_id, number)
order by g.link_id, g.number
on conflict (link_id, number) do update set incarnation = excluded.incarnation, leased_at = now(), bound_at = null
where exists (select from process p where p.incarnation = bind_lease.incarnation and p.ended_at is not null);

-- name: held_binds
-- The binds that an incarnation holds, with the number of leased binds of the link on all processes.
select l.link_id, l.number,
       (select count(*) from bind_lease a join process p using (incarnation)
        where a.link_id = l.link_id and p.ended_at is null) as leased
from bind_lease l where l.incarnation = $1;

-- name: release_binds
-- Gives back the leases of binds that are unbound here.
delete from bind_lease b using unnest($2::integer[], $3::smallint[]) as g (link_id, number)
where b.link_id = g.link_id and b.number = g.number and b.incarnation = $1;

-- name: note_binds
-- Says which leased binds are bound (since when) and which are not.
update bind_lease b set bound_at = case when g.bound then coalesce(b.bound_at, now()) end
from unnest($2::integer[], $3::smallint[], $4::boolean[]) as g (link_id, number, bound)
where b.link_id = g.link_id and b.number = g.number and b.incarnation = $1 and (b.bound_at is not null) <> g.bound;

-- name: operators_up
-- The operators that some live process is bound to.
select distinct k.operator_id
from bind_lease b join process p using (incarnation) join link k using (link_id)
where b.bound_at is not null and p.ended_at is null
  and p.heartbeat_at > now() - make_interval(secs => $1::double precision);

-- name: lease_duty
-- Says that a duty is ours already, or takes it where nobody alive holds it. Writes nothing in the ordinary case.
with ours as (
    select duty from duty_lease where duty = $2 and incarnation = $1
), taken as (
    insert into duty_lease (duty, incarnation) select $2, $1 where not exists (select from ours)
    on conflict (duty) do update set incarnation = excluded.incarnation, leased_at = now()
    where exists (select from process p where p.incarnation = duty_lease.incarnation and p.ended_at is not null)
    returning duty
)
select duty from ours union all select duty from taken;

-- name: live_processes
-- The processes that are alive, for readiness and `payk check`.
select incarnation, host, pid, roles, started_at, heartbeat_at from process
where ended_at is null and heartbeat_at > now() - make_interval(secs => $1::double precision)
order by incarnation;

-- name: neighbours
-- Incarnations on one machine that have not ended.
select incarnation, pid from process where host = $1 and ended_at is null;

-- name: end_dead
-- Ends incarnations whose processes are known to be gone.
update process set ended_at = now(), lapsed = true where incarnation = any($1::bigint[]) and ended_at is null;
