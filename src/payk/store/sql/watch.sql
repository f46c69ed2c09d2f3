-- name: tell_time
-- The server's clock at this moment, in seconds of the epoch.
select date_part('epoch', clock_timestamp());

-- name: need_room
-- With little work_mem, a megabyte in a file that is gone afterwards: refused while the disk is full.
select count(*) from generate_series(1, 30000);
