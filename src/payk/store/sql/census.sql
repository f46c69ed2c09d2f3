-- name: live_processes
-- The processes that have not ended, with the seconds since their last heartbeat, what was wrong with them then, and
-- the duties they hold.
select p.incarnation, p.host, p.pid, p.roles, p.started_at,
       date_part('epoch', now() - p.heartbeat_at) as silent_for, p.warnings,
       array(select duty from duty_lease d where d.incarnation = p.incarnation order by duty) as duties
from process p
where p.ended_at is null
order by p.incarnation;

-- name: leased_binds
-- The binds that these processes hold, and how they stand.
select incarnation, link_id, number, bound_at, waiting_for, last_error
from bind_lease where incarnation = any($1::bigint[])
order by link_id, number;
