-- The trace that the request of a message belongs to, where traces are on.

alter table message add column trace bytea check (length(trace) = 24);
