-- name: version
-- The version of users and tokens, and the clock.
select version, clock_timestamp() as now from access_version;

-- name: lock
-- Makes changes of users and tokens wait for each other, until the end of the transaction.
select version from access_version for update;

-- name: tokens
-- Every token that is in force or may be, with what its user may.
select t.sha256, t.token_id, t.name, coalesce(t.role, u.role) as role, coalesce(t.client_id, u.client_id) as client_id,
       t.scopes, t.expires_at, u.name as user_name
from service_token t left join user_account u using (user_id)
where t.revoked_at is null and (t.expires_at is null or t.expires_at > now()) and (t.user_id is null or u.enabled);

-- name: note_token_use
-- Tokens that were used just now. What another process notes at the same time waits for nothing else.
update service_token t set last_used_at = now()
from (select token_id from service_token where token_id = any($1::integer[]) order by token_id for update skip locked) used
where t.token_id = used.token_id;

-- name: user_to_log_in
-- A user by name, as logging in needs it.
select user_id, name, role, client_id, password_hash, totp_secret, enabled,
       coalesce(locked_until > clock_timestamp(), false) as locked, clock_timestamp() as now
from user_account where lower(name) = lower($1);

-- name: known_network
-- Makes attempts of a user wait for each other; whether it logged in from this network in the last 30 days.
select exists (select from login_network n where n.user_id = u.user_id and n.network = $2
                                                 and n.last_login_at > now() - interval '30 days')
from user_account u where u.user_id = $1 for update;

-- name: take_attempt
-- Counts an attempt from a network that the user did not log in from, before it is looked at; from the $2-th on each
-- locks the user for all of these, twice as long each time, from $3 up to $4 seconds. Any other locks it for no time at
-- all, so that all count anew a day after the last lock or attempt. Null while locked.
update user_account
set failures = case when locked_until < clock_timestamp() - interval '1 day' then 1 else failures + 1 end,
    locked_until = case when failures + 1 >= $2::integer
                             and coalesce(locked_until >= clock_timestamp() - interval '1 day', true)
        then clock_timestamp() + make_interval(secs => least($4::float8, $3::float8 * 2 ^ least(failures + 1 - $2, 20)))
        else clock_timestamp() end
where user_id = $1 and (locked_until is null or locked_until <= clock_timestamp())
returning failures;

-- name: locked_out
-- Whether networks that the user did not log in from are locked out.
select coalesce(locked_until > clock_timestamp(), false) from user_account where user_id = $1;

-- name: take_attempt_from
-- The same for a network of its own: from the $3-th on each locks the user for whoever comes from there.
insert into login_network as n (user_id, network, failures) values ($1, $2, 1)
on conflict (user_id, network) do update
set failures = n.failures + 1, last_attempt_at = now(),
    locked_until = case when n.failures + 1 >= $3::integer
        then clock_timestamp() + make_interval(secs => least($5::float8, $4::float8 * 2 ^ least(n.failures + 1 - $3, 20))) end
where n.locked_until is null or n.locked_until <= clock_timestamp()
returning failures;

-- name: drop_old_networks
-- Forgets networks from which nobody tried to log in as this user for 30 days.
delete from login_network where user_id = $1 and last_attempt_at < now() - interval '30 days';

-- name: note_right
-- From this network somebody has shown to be the user: it counts anew there, and so do all that were never known, if
-- this was one of them ($3).
with there as (
    insert into login_network as n (user_id, network, last_login_at) values ($1, $2, now())
    on conflict (user_id, network) do update
    set failures = 0, locked_until = null, last_attempt_at = now(), last_login_at = now()
)
update user_account set failures = 0, locked_until = null where user_id = $1 and $3::boolean;

-- name: use_code
-- Uses up the one-time code of a step of 30 s; null where it, or a later one, was used.
update user_account set totp_step = $2 where user_id = $1 and totp_step < $2 returning user_id;

-- name: logged_in
-- Keeps a newer password hash where one is given. Null where something about the user changed meanwhile: a password, or
-- that it has one-time codes and which.
update user_account set last_login_at = now(), password_hash = coalesce($3, password_hash)
where user_id = $1 and enabled and password_hash = $2 and totp_secret is not distinct from $4
returning user_id;

-- name: unchanged
-- Whether a user still has this password, and these one-time codes or none.
select user_id from user_account
where user_id = $1 and enabled and password_hash = $2 and totp_secret is not distinct from $3 for update;

-- name: begin_session
-- A session of a user, for $4 seconds.
insert into user_session (sha256, user_id, address, expires_at) values ($1, $2, $3, now() + make_interval(secs => $4))
returning session_id;

-- name: session
-- Whose session this is, if it is in force: not ended, not idle for $2 seconds; and whether its use is to be noted.
select s.session_id, u.user_id, u.name, u.role, u.client_id, s.last_seen_at < now() - interval '30 s' as note
from user_session s join user_account u using (user_id)
where s.sha256 = $1 and s.expires_at > now() and s.last_seen_at > now() - make_interval(secs => $2) and u.enabled;

-- name: note_session_use
-- A session was used just now.
update user_session set last_seen_at = now() where session_id = $1;

-- name: end_session
-- Ends a session; whose it was.
delete from user_session s using user_account u
where s.session_id = $1 and u.user_id = s.user_id returning u.name;

-- name: end_sessions_of
-- Ends every session of a user.
delete from user_session where user_id = $1;

-- name: drop_old_sessions
-- Removes what can be used no more.
delete from user_session where expires_at <= now() or last_seen_at <= now() - make_interval(secs => $1);

-- name: sessions
-- Sessions in force, the newest first.
select s.session_id, u.name as user_name, s.created_at, s.expires_at, s.last_seen_at, s.address
from user_session s join user_account u using (user_id)
where s.expires_at > now() and s.last_seen_at > now() - make_interval(secs => $1) order by s.session_id desc;

-- name: users
-- Every user, or $1.
select u.user_id, u.name, u.role, c.name as client, u.password_hash is not null as has_password,
       u.totp_secret is not null as has_totp, u.enabled, coalesce(u.locked_until > now(), false) as locked,
       u.created_at, u.last_login_at
from user_account u left join client c using (client_id) where $1::integer is null or u.user_id = $1
order by lower(u.name);

-- name: user_named
-- A user by name.
select u.user_id, u.name, u.role, u.enabled, c.name as client
from user_account u left join client c using (client_id) where lower(u.name) = lower($1);

-- name: client_named
-- The number of a client.
select client_id from client where name = $1;

-- name: create_user
-- A new user.
insert into user_account (name, role, client_id, password_hash) values ($1, $2, $3, $4) returning user_id;

-- name: put_user
-- Gives a user a role, of a client where it is bound, and says whether it is enabled.
update user_account set role = $2, client_id = $3, enabled = $4 where user_id = $1;

-- name: put_password
-- Gives a user a password, and lets it try again where it was locked.
update user_account set password_hash = $2, failures = 0, locked_until = null where user_id = $1;

-- name: lift_locks
-- Lets a user try again from wherever it was locked out.
update login_network set failures = 0, locked_until = null where user_id = $1;

-- name: put_totp
-- Gives a user the secret of one-time codes, or with null takes it away.
update user_account set totp_secret = $2, totp_step = 0 where user_id = $1;

-- name: other_admins
-- How many enabled admins there are besides one.
select count(*) from user_account where role = 'admin' and enabled and user_id <> $1;

-- name: totp_secrets
-- The sealed secrets of one-time codes.
select user_id::text as key, totp_secret as sealed from user_account where totp_secret is not null order by user_id;

-- name: put_totp_secret
-- Seals one of them anew, where it is still the one that was read.
update user_account set totp_secret = $3 where user_id = $1::text::integer and totp_secret = $2;

-- name: create_token
-- A new token.
insert into service_token (sha256, name, user_id, role, client_id, scopes, expires_at)
values ($1, $2, $3, $4, $5, $6, $7) returning token_id;

-- name: token_named
-- A token that was not revoked, by name.
select token_id, name from service_token where lower(name) = lower($1) and revoked_at is null;

-- name: revoke_token
-- Revokes a token that was not.
update service_token set revoked_at = now() where token_id = $1 and revoked_at is null;

-- name: all_tokens
-- Every token, those that are in force first.
select t.token_id, t.name, u.name as user_name, coalesce(t.role, u.role) as role, c.name as client, t.scopes,
       t.created_at, t.expires_at, t.revoked_at, t.last_used_at
from service_token t
left join user_account u using (user_id)
left join client c on c.client_id = coalesce(t.client_id, u.client_id)
order by t.revoked_at is not null, lower(t.name), t.token_id;
