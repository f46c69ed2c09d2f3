-- name: current_key
-- The id of the key that seals.
select key_id from secret_key where current;

-- name: note_first_key
-- The key that everything was sealed under before there was a word of it.
insert into secret_key (key_id, current) values ($1, true) on conflict do nothing;

-- name: kept_secret
-- A secret of the centre itself, sealed.
select sealed from kept_secret where name = $1;

-- name: keep_secret
-- Keeps a secret of the centre itself, unless there is one already.
insert into kept_secret (name, sealed) values ($1, $2) on conflict do nothing;

-- name: look
-- Which key seals, and whether the texts of Otp are sealed.
select (select key_id from secret_key where current) as key_id, (select since is not null from text_sealing) as texts;

-- name: lock_sealing
-- No process registers meanwhile that could not open sealed texts.
select pg_advisory_xact_lock(hashtext('payk.text_sealing'));

-- name: begin_sealing
-- From now on the texts of Otp are sealed, if every process that is alive can open them.
update text_sealing set since = now()
where since is null and not exists (
    select from process p where p.ended_at is null
      and (p.key_ids is null or not p.key_ids @> array(select key_id from secret_key where current))
)
returning since;

-- name: unsealed_because
-- The processes that keep texts from being sealed.
select host, pid from process p
where ended_at is null and (key_ids is null or not key_ids @> array(select key_id from secret_key where current))
order by incarnation;

-- name: processes_without_key
-- The living processes that do not have a key.
select host, pid from process where ended_at is null and (key_ids is null or not key_ids @> array[$1::bytea])
order by incarnation;

-- name: lock_keys
-- One rotation at a time.
select pg_advisory_xact_lock(hashtext('payk.secret_key'));

-- name: leave_key
-- The key that seals steps back.
update secret_key set current = false where current and key_id <> $1;

-- name: take_key
-- This key seals from now on.
insert into secret_key (key_id, current) values ($1, true)
on conflict (key_id) do update set current = true, since = now() where not secret_key.current;

-- name: link_passwords
-- The sealed passwords of links.
select link_id::text as key, password as sealed from link order by link_id;

-- name: put_link_password
-- Seals a link's password anew, where it is still the one that was read.
update link set password = $3 where link_id = $1::text::integer and password = $2;

-- name: kept_secrets
-- The centre's own secrets.
select name as key, sealed from kept_secret order by name;

-- name: put_kept_secret
-- Seals one of them anew, where it is still the one that was read.
update kept_secret set sealed = $3 where name = $1 and sealed = $2;

-- name: first_text
-- Below this id no Otp has a text but those that were left for later.
select passed from text_walk where client_id = 0;

-- name: sealed_texts
-- Of the next $2 messages above id $1 the Otp whose text is sealed ($4), but not under the key with the prefix $3; and how
-- far that went.
with batch as materialized (
    select message_id, sms_type, phone, text from message where message_id > $1 order by message_id limit $2
)
select (select max(message_id) from batch) as passed,
       array(select row (b.message_id, b.phone, b.text) from batch b
             where b.sms_type = 2 and starts_with(b.text, $4) and not starts_with(b.text, $3) order by b.message_id)
           as texts;

-- name: sealed_texts_left
-- The same of the messages that the walk of wiping passed while their text was still needed (texts.sql).
with batch as materialized (
    select l.message_id, m.sms_type, m.phone, m.text
    from (select message_id from text_left where message_id > $1 order by message_id limit $2) l
    left join message m on m.message_id = l.message_id
)
select (select max(message_id) from batch) as passed,
       array(select row (b.message_id, b.phone, b.text) from batch b
             where b.sms_type = 2 and starts_with(b.text, $4) and not starts_with(b.text, $3) order by b.message_id)
           as texts;

-- name: put_texts
-- Writes texts that were sealed anew, where they are still the ones that were read; they may be wiped meanwhile.
update message m set text = g.new
from unnest($1::bigint[], $2::text[], $3::text[]) as g (message_id, old, new)
where m.message_id = g.message_id and m.text = g.old;
