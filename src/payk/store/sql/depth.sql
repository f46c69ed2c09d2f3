-- name: queue_depth
-- How many messages wait, now or for later. One statement, so that one that is just being staged counts once.
select (select count(*) from waiting) + (select count(*) from staged) as depth;
