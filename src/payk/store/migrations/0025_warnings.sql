-- What a process itself finds wrong with it, as of its last heartbeat, for those who look from outside.
-- Runs with search_path = payk, inside one transaction. Whatever ran before goes on with the schema of 0024: it finds
-- nothing.

alter table process add column warnings text[] not null default '{}';
