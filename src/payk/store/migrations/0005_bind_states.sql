-- How the binds of a link stand, for those who look from outside the process that holds them.
-- Runs with search_path = payk, inside one transaction. Whatever ran before goes on with the schema of 0004: it leaves
-- both empty, and who takes a bind over writes its own.

alter table bind_lease add column waiting_for text;       -- what keeps it from being bound; null while it is
alter table bind_lease add column last_error text;        -- why it came down or was refused last
