-- name: clients
-- Clients after $1 by name, of which $2 is a part of the name, $3 at most; with $4 that one alone.
select c.name, (c.limits || (to_jsonb(c) - '{client_id,name,limits}'::text[]))::text as options,
       json_build_object('client_id', c.client_id)::text as facts, c.name as next
from client c
where c.name > $1 and strpos(lower(c.name), lower($2)) > 0 and ($4::text is null or c.name = $4)
order by c.name limit $3;

-- name: keys
-- Keys with a number above $1, of a client that is named ($2, null = of all), $3 at most; with $4 the one of that number.
select encode(k.sha256, 'hex') as name,
       jsonb_build_object('label', k.label, 'allow_from', k.allow_from, 'revoked', k.revoked_at is not null,
                          'expires_at', to_char(k.expires_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))::text
           as options,
       json_build_object('key_id', k.key_id, 'client', c.name, 'fingerprint', left(encode(k.sha256, 'hex'), 8),
                         'created_at', to_char(k.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                         'revoked_at', to_char(k.revoked_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                         'last_used_at', to_char(k.last_used_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))::text
           as facts,
       k.key_id::text as next
from api_key k join client c using (client_id)
where k.key_id > $1::integer and ($2::text is null or c.name = $2) and ($4::integer is null or k.key_id = $4)
order by k.key_id limit $3;

-- name: newest_key
-- The number of the newest key of a client whose SHA-256 begins with these digits, in hex.
select max(k.key_id) from api_key k join client c using (client_id)
where c.name = $1 and starts_with(encode(k.sha256, 'hex'), $2);

-- name: senders
-- Senders after ($1, $2) by client and name, of a client that is named ($3, null = of all), with a status ($4, '' = any),
-- $5 at most; with $6 the one of that name.
select s.name,
       jsonb_build_object('status', case when s.enabled then 'approved' when s.status = 'approved' then 'withdrawn'
                                         else s.status end,
                          'reason', s.reason,
                          'expires_at', to_char(s.expires_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                          'operators', array(select o.name from unnest(s.operators) with ordinality as u (operator_id, n)
                                             join operator o using (operator_id) order by u.n))::text as options,
       json_build_object('client', c.name,
                         'changed_at', to_char(s.changed_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))::text
           as facts,
       json_build_array(c.name, lower(s.name))::text as next
from sender s join client c using (client_id)
where c.name >= $1  -- the next line follows no index
  and (c.name, lower(s.name)) > ($1, $2) and ($3::text is null or c.name = $3) and ($4 in ('', s.status))
  and ($6::text is null or lower(s.name) = lower($6))
order by c.name, lower(s.name) limit $5;

-- name: operators
-- Operators after $1 by name, $2 at most; with $3 that one alone.
select o.name, (to_jsonb(o) - '{operator_id,name}'::text[])::text as options,
       json_build_object('operator_id', o.operator_id)::text as facts, o.name as next
from operator o where o.name > $1 and ($3::text is null or o.name = $3)
order by o.name limit $2;

-- name: links
-- Links after $1 by name, of an operator that is named ($2, null = of all), $3 at most; with $4 that one alone. Of the
-- password a digest as it is encrypted, for the etag: another one whenever the password is, and it tells nothing of it.
select l.name,
       (l.options || jsonb_build_object('enabled', l.enabled, 'host', l.host, 'port', l.port,
                                        'system_id', l.system_id,
                                        'sealed', encode(sha256(l.password), 'hex')))::text as options,
       json_build_object('link_id', l.link_id, 'operator', o.name)::text as facts, l.name as next
from link l join operator o using (operator_id)
where l.name > $1 and ($2::text is null or o.name = $2) and ($4::text is null or l.name = $4)
order by l.name limit $3;

-- name: routes
-- Routes with a number above $1, $2 at most; with $3 the one of that number.
select r.prefix as name,
       (r.options || jsonb_build_object('enabled', r.enabled, 'client', r.client, 'sender', r.sender,
                                        'sms_type', r.sms_type, 'operators',
            array(select o.name from unnest(q.operators) with ordinality as u (operator_id, n)
                  join operator o using (operator_id) order by u.n)))::text as options,
       json_build_object('route_id', r.route_id)::text as facts, r.route_id::text as next
from any_route r join queue q using (queue_id)
where r.route_id > $1::integer and ($3::integer is null or r.route_id = $3)
order by r.route_id limit $2;

-- name: changes
-- Changes before version $1, newest first, $2 at most; with $3 that one alone.
select version, changed_at, author, difference::text
from registry_change
where version < $1 and ($3::bigint is null or version = $3)
order by version desc limit $2;

-- name: changes_since
-- Changes from version $1 on, newest first, $2 at most, without those of traffic: a change is all of traffic, or not.
select version, changed_at, author, difference::text
from registry_change
where version >= $1 and coalesce(difference #>> '{changes,0,kind}', '') not in ('hold', 'cancel')
order by version desc limit $2;

-- name: traffic_changes
-- What was held, cancelled and released by the changes from version $1 to $2, oldest first, and whether that hold stands.
-- The release of a cancel is its end. Holds that were released a month ago are gone.
with named as (
    select r.version, n, line ->> 'kind' as kind, line ->> 'sign' as sign, (line ->> 'name')::integer as hold_id
    from registry_change r
    cross join lateral jsonb_array_elements(r.difference -> 'changes') with ordinality as l (line, n)
    where r.version >= $1 and r.version <= $2 and r.difference #>> '{changes,0,kind}' in ('hold', 'cancel')
)
select case when sign = '+' then kind else 'release' end as what, hold_id,
       coalesce(h.released_at is null and h.hold_id is not null, false) as stands
from named left join hold h using (hold_id)
where sign = '+' or h.cancels_to is null
order by version, n;

-- name: passwords
-- The sealed password of every link, for an export.
select name, password from link;
