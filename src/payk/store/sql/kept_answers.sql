-- name: claim_keys
-- Keeps answers under keys that nobody holds, or whose time is over. What is missing in the answer is held by another
-- request; one that is still being stored is waited for. The same order in every process, else two of them deadlock.
insert into kept_answer (client_id, digest, body_digest, answer)
select g.* from unnest($1::integer[], $2::bytea[], $3::bytea[], $4::bytea[])
    as g (client_id, digest, body_digest, answer)
order by g.client_id, g.digest
on conflict (client_id, digest) do update
set body_digest = excluded.body_digest, answer = excluded.answer, at = now()
where kept_answer.at < now() - interval '12 hours'
returning client_id, digest;

-- name: find_answers
-- What is kept under these keys, where their time is not over.
select k.client_id, k.digest, k.body_digest, k.answer
from unnest($1::integer[], $2::bytea[]) as g (client_id, digest)
join kept_answer k on k.client_id = g.client_id and k.digest = g.digest
where k.at >= now() - interval '12 hours';

-- name: rewrite_answers
-- Other answers under keys that this transaction has just claimed.
update kept_answer k set answer = g.answer
from unnest($1::integer[], $2::bytea[], $3::bytea[]) as g (client_id, digest, answer)
where k.client_id = g.client_id and k.digest = g.digest;
