-- name: take_turns
-- One process at a time; another one does something else meanwhile.
select pg_try_advisory_lock(hashtext('payk.leaving'));

-- name: turn_over
-- The next process may.
select pg_advisory_unlock(hashtext('payk.leaving'));

-- name: mark
-- These partitions are to go; whoever finds them half gone may finish it.
insert into leaving_partition (name, parent) select * from unnest($1::text[], $2::text[]) on conflict do nothing;

-- name: stages
-- How far each has come: whether its table is there, attached, or waiting for readers to be detached. Those that wait
-- come first, for a parent detaches one partition at a time.
select l.name, l.parent, c.oid is not null as there, i.inhrelid is not null as attached,
       coalesce(i.inhdetachpending, false) as pending,
       exists (select from pg_inherits o where o.inhparent = i.inhparent and o.inhdetachpending
               and o.inhrelid <> i.inhrelid) as behind_another
from leaving_partition l
left join pg_class c on c.oid = to_regclass('payk.' || quote_ident(l.name))
left join pg_inherits i on i.inhrelid = c.oid
order by coalesce(i.inhdetachpending, false) desc, l.since, l.name;

-- name: unmark
-- It is gone, or was not to go after all.
delete from leaving_partition where name = $1;
