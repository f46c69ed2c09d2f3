-- Which request brought a message, for the log.

alter table message add column request_id text;
