-- Who began a trace, and who else has read it: each reading by somebody else is recorded once.

alter table link_trace
    add column begun_by text,                            -- null = begun by a version that did not keep it
    add column seen_by  text[] not null default '{}';
