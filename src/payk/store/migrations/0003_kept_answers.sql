-- Answers to requests with an Idempotency-Key: whoever repeats such a request gets the same octets.
-- Runs with search_path = payk, inside one transaction. Whatever ran before goes on with the schema of 0002.

-- A row is written by the transaction that stores the messages of the request, and counts for 12 hours. Digests are
-- keyed: a plain hash of a body with a one-time code could be guessed.
create table kept_answer (
    at           timestamptz not null default now(),
    client_id    integer not null,
    digest       bytea not null,             -- of path and key
    body_digest  bytea not null,
    answer       bytea not null,             -- the body of the answer; its status was 200
    primary key (client_id, digest)
);
create index kept_answer_at on kept_answer (at);
