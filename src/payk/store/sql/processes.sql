-- name: register
-- A new incarnation; whatever it will hold lapses with it.
insert into process (host, pid, roles, line, key_ids) values ($1, $2, $3, history_line(), $4::bytea[]) returning incarnation;

-- name: heartbeat
-- Still alive, and what is wrong with it; no row means that this incarnation was ended for its silence, or that the
-- database has lost it.
update process set heartbeat_at = now(), beats = beats + 1, warnings = $2::text[]
where incarnation = $1 and ended_at is null
returning beats, history_line() as line, line_is_known() as known;

-- name: is_registered
-- Whether the database knows of an incarnation, ended or not.
select exists (select from process where incarnation = $1);

-- name: end_process
-- Ends an incarnation that stops by itself and gives its leases back.
with binds as (delete from bind_lease where incarnation = $1),
     duties as (delete from duty_lease where incarnation = $1)
update process set ended_at = now() where incarnation = $1 and ended_at is null;

-- name: beats
-- The incarnations that have not ended, each with its last heartbeat.
select incarnation, heartbeat_at, host, pid from process where ended_at is null;

-- name: end_silent
-- Ends incarnations of which these are still the last heartbeats.
update process p set ended_at = now(), lapsed = true
from unnest($1::bigint[], $2::timestamptz[]) as g (incarnation, heartbeat_at)
where p.incarnation = g.incarnation and p.heartbeat_at = g.heartbeat_at and p.ended_at is null
returning p.incarnation;

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
-- Says which leased binds are bound (since when), and what the others wait for.
update bind_lease b
set bound_at = case when g.bound then coalesce(b.bound_at, now()) end,
    waiting_for = g.waiting_for, last_error = g.last_error
from unnest($2::integer[], $3::smallint[], $4::boolean[], $5::text[], $6::text[])
    as g (link_id, number, bound, waiting_for, last_error)
where b.link_id = g.link_id and b.number = g.number and b.incarnation = $1;

-- name: links_up
-- The links that some live process is bound to.
select distinct b.link_id
from bind_lease b join process p using (incarnation)
where b.bound_at is not null and p.ended_at is null;

-- name: lease_duty
-- Says that a duty is ours already, or takes it where nobody alive holds it. Writes nothing in the ordinary case. On an
-- unknown line of history nothing may be expired, staged or given up.
with ours as (
    select duty from duty_lease where duty = $2 and incarnation = $1
), taken as (
    insert into duty_lease (duty, incarnation) select $2, $1 where not exists (select from ours)
    on conflict (duty) do update set incarnation = excluded.incarnation, leased_at = now()
    where exists (select from process p where p.incarnation = duty_lease.incarnation and p.ended_at is not null)
    returning duty
)
select duty from (select duty from ours union all select duty from taken) as held where line_is_known();

-- name: live_roles
-- The roles that some process has which has not ended.
select distinct unnest(roles) as role from process where ended_at is null;

-- name: end_dead
-- Ends incarnations whose processes are known to be gone.
update process set ended_at = now(), lapsed = true where incarnation = any($1::bigint[]) and ended_at is null;
