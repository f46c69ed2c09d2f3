-- name: version
-- The version of the registry; it moves with every change.
select version from registry_version;

-- name: in_force
-- The same, and whether any number is blocked.
select version, exists (select from blocked_number) from registry_version;

-- name: lock
-- Makes changes wait for each other, until the end of the transaction.
select version from registry_version for update;

-- name: snapshot
-- What follows in this transaction sees one and the same instant.
set transaction isolation level repeatable read, read only;

-- name: clients_named
-- The clients of these names, with their settings as one JSON object.
select c.name, (c.limits || (to_jsonb(c) - '{client_id,name,limits}'::text[]))::text as options
from client c where c.name = any($1::text[]);

-- name: senders_of_clients
-- Every sender that these clients have, whatever its status.
select c.name as client, s.name,
       -- the version before knows `enabled` alone
       jsonb_build_object('status', case when s.enabled then 'approved' when s.status = 'approved' then 'withdrawn'
                                         else s.status end,
                          'reason', s.reason,
                          'expires_at', to_char(s.expires_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                          'operators', array(select o.name from unnest(s.operators) with ordinality as u (operator_id, n)
                                             join operator o using (operator_id) order by u.n))::text as options
from client c join sender s using (client_id) where c.name = any($1::text[]);

-- name: keys_given
-- Whose these keys are, by digest, and whether they were revoked.
select k.sha256, c.name as client, k.revoked_at is not null as revoked,
       jsonb_build_object('label', k.label, 'allow_from', k.allow_from,
                          'expires_at', to_char(k.expires_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))::text
           as options
from api_key k join client c using (client_id) where k.sha256 = any($1::bytea[]);

-- name: all_operators
-- Every operator; there are few.
select o.name, (to_jsonb(o) - '{operator_id,name}'::text[])::text as options from operator o;

-- name: links_named
-- The links of these names, with columns and quirks as one JSON object.
select o.name as operator, l.name, l.password,
       (l.options || jsonb_build_object('enabled', l.enabled, 'host', l.host, 'port', l.port,
                                        'system_id', l.system_id))::text as options
from link l join operator o using (operator_id) where l.name = any($1::text[]);

-- name: routes_given
-- The routes that match just this, with the names of their operators in order, and their numbers.
select r.prefix, r.client, r.sender, r.sms_type,
       array(select o.name from unnest(q.operators) with ordinality as u (operator_id, n)
             join operator o using (operator_id) order by u.n) as operators,
       (r.options || jsonb_build_object('enabled', r.enabled))::text as options, r.route_id
from jsonb_to_recordset($1::text::jsonb) as g (prefix text, client text, sender text, sms_type smallint)
join any_route r on r.prefix = g.prefix and r.client is not distinct from g.client
                    and lower(r.sender) is not distinct from lower(g.sender)
                    and r.sms_type is not distinct from g.sms_type
join queue q using (queue_id);

-- name: put_clients
-- Makes clients be as these JSON objects say; options that have no column of their own are limits.
insert into client (name, enabled, default_sms_type, default_country, repeat_window, client_message_id_window, bulk,
                    max_parts, text_days, uncertain, limits)
select r.name, r.enabled, r.default_sms_type, r.default_country, r.repeat_window, r.client_message_id_window, r.bulk,
       r.max_parts, r.text_days, r.uncertain,
       (given -> 'options') - array(select jsonb_object_keys(to_jsonb(r)))
from jsonb_array_elements($1::text::jsonb) given
cross join lateral jsonb_populate_record(null::client, given) r
order by r.name
on conflict (name) do update set
    enabled = excluded.enabled, default_sms_type = excluded.default_sms_type,
    default_country = excluded.default_country, repeat_window = excluded.repeat_window,
    client_message_id_window = excluded.client_message_id_window, bulk = excluded.bulk,
    max_parts = excluded.max_parts, text_days = excluded.text_days, uncertain = excluded.uncertain,
    limits = excluded.limits;

-- name: put_senders
-- Makes senders be as these JSON objects say; a name is the same in any case of letters.
insert into sender (client_id, name, enabled, status, reason, expires_at, operators)
select c.client_id, r.name, r.status = 'approved', r.status, r.reason, r.expires_at,
       array(select o.operator_id from unnest(r.operators) with ordinality as u (name, n)
             join operator o using (name) order by u.n)
from jsonb_to_recordset($1::text::jsonb)
    as r (client text, name text, status text, reason text, expires_at timestamptz, operators text[])
join client c on c.name = r.client
order by c.client_id, lower(r.name)
on conflict (client_id, lower(name)) do update set
    name = excluded.name, enabled = excluded.enabled, status = excluded.status, reason = excluded.reason,
    expires_at = excluded.expires_at, operators = excluded.operators, changed_at = now();

-- name: put_keys
-- Adds API keys, or revokes them for good.
insert into api_key (sha256, client_id, revoked_at, label, expires_at, allow_from)
select decode(r.sha256, 'hex'), c.client_id, case when r.revoked then now() end, r.label, r.expires_at, r.allow_from
from jsonb_to_recordset($1::text::jsonb)
    as r (client text, sha256 text, revoked boolean, label text, expires_at timestamptz, allow_from text[])
join client c on c.name = r.client
order by r.sha256
on conflict (sha256) do update set
    revoked_at = coalesce(api_key.revoked_at, excluded.revoked_at), label = excluded.label,
    expires_at = excluded.expires_at, allow_from = excluded.allow_from;

-- name: note_key_use
-- These keys were used a moment ago. What another process notes at the same time waits for nothing else.
update api_key k set last_used_at = now()
from (select key_id from api_key where key_id = any($1::integer[]) order by key_id for update skip locked) used
where k.key_id = used.key_id;

-- name: put_operators
-- Makes operators be as these JSON objects say.
insert into operator (name, enabled, draining, health, health_refused, health_receipts, health_delay)
select r.name, r.enabled, r.draining, r.health, r.health_refused, r.health_receipts, r.health_delay
from jsonb_populate_recordset(null::operator, $1::text::jsonb) r
order by r.name
on conflict (name) do update set
    enabled = excluded.enabled, draining = excluded.draining, health = excluded.health,
    health_refused = excluded.health_refused, health_receipts = excluded.health_receipts,
    health_delay = excluded.health_delay;

-- name: put_links
-- Makes links be as these JSON objects say. A link stays with its operator.
insert into link (operator_id, name, enabled, host, port, system_id, password, options)
select o.operator_id, r.name, (r.options ->> 'enabled')::boolean, r.options ->> 'host',
       (r.options ->> 'port')::integer, r.options ->> 'system_id', decode(r.password, 'hex'),
       r.options - '{enabled,host,port,system_id}'::text[]
from jsonb_to_recordset($1::text::jsonb) as r (operator text, name text, password text, options jsonb)
join operator o on o.name = r.operator
order by r.name
on conflict (name) do update set
    enabled = excluded.enabled, host = excluded.host, port = excluded.port, system_id = excluded.system_id,
    password = excluded.password, options = excluded.options;

-- name: put_queues
-- A queue for every ordered list of operators that has none yet.
insert into queue (operators)
select distinct array(select o.operator_id from unnest(r.operators) with ordinality as u (name, n)
                      join operator o using (name) order by u.n)
from jsonb_to_recordset($1::text::jsonb) as r (operators text[])
on conflict (operators) do nothing;

-- name: put_routes
-- Makes routes be as these JSON objects say; routes with the same operators share a queue.
insert into route (prefix, queue_id, enabled, options)
select r.prefix, q.queue_id, (r.options ->> 'enabled')::boolean, r.options - 'enabled'
from jsonb_to_recordset($1::text::jsonb) as r (prefix text, operators text[], options jsonb)
join queue q on q.operators = array(select o.operator_id from unnest(r.operators) with ordinality as u (name, n)
                                    join operator o using (name) order by u.n)
order by r.prefix
on conflict (prefix) do update set
    queue_id = excluded.queue_id, enabled = excluded.enabled, options = excluded.options;

-- name: put_conditional_routes
-- The same for routes with conditions besides the prefix.
insert into conditional_route (prefix, client_id, sender, sms_type, queue_id, enabled, options)
select r.prefix, c.client_id, r.sender, r.sms_type, q.queue_id, (r.options ->> 'enabled')::boolean,
       r.options - 'enabled'
from jsonb_to_recordset($1::text::jsonb)
    as r (prefix text, client text, sender text, sms_type smallint, operators text[], options jsonb)
left join client c on c.name = r.client
join queue q on q.operators = array(select o.operator_id from unnest(r.operators) with ordinality as u (name, n)
                                    join operator o using (name) order by u.n)
order by r.prefix, c.client_id, lower(r.sender), r.sms_type
on conflict (prefix, client_id, lower(sender), sms_type) do update set
    sender = excluded.sender, queue_id = excluded.queue_id, enabled = excluded.enabled, options = excluded.options;

-- name: put_lists
-- A queue for each of these lists of operators, given as JSON, that has none yet.
insert into queue (operators)
select array(select o.operator_id::integer from jsonb_array_elements_text(given) with ordinality as o (operator_id, n)
             order by o.n)
from jsonb_array_elements($1::text::jsonb) given
on conflict (operators) do nothing;

-- name: lists_in_use
-- What the lists of operators that messages get follow from: every way in which routes that count choose.
select distinct q.operators, (r.options - 'price')::text as options from any_route r join queue q using (queue_id)
where r.enabled;

-- name: restrictions
-- Every set of operators that senders are restricted to.
select distinct operators from sender where operators <> '{}';

-- name: senders_in_use
-- Which of these senders were used within a day, to the quarter of an hour: by the counts of reports, and by what is not
-- added to them yet. Rows that came to nothing, as of messages that another operator took, count for nothing.
select c.name as client, g.name
from jsonb_to_recordset($1::text::jsonb) as g (client text, name text)
join client c on c.name = g.client
where (select coalesce(sum(messages), 0) from (
    select m0 + m1 + m2 + m3 + m4 + m5 + m6 + m7 + m8 as messages
    from report_key k join report_count n on n.key_id = k.key_id and n.span = 0 and n.began > now() - interval '24:15'
    where k.client_id = c.client_id and lower(k.sender) = lower(g.name)
    union all
    select messages from report_delta d
    where d.client_id = c.client_id and lower(d.sender) = lower(g.name) and d.bucket > now() - interval '24:15'
) counted) > 0;

-- name: operators_of_senders
-- The operators that routes in force lead messages of these senders to.
select distinct c.name as client, g.name, o.name as operator
from jsonb_to_recordset($1::text::jsonb) as g (client text, name text)
join client c on c.name = g.client
join any_route r on r.enabled and (r.client_id is null or r.client_id = c.client_id)
                    and (r.sender is null or lower(r.sender) = lower(g.name))
join queue q using (queue_id)
join operator o on o.operator_id = any(q.operators)
order by 1, 2, 3;

-- name: operators_that_carry
-- The operators that are given messages: enabled, not drained, with a link that is so too.
select o.name from operator o
where o.enabled and not o.draining
  and exists (select from link l where l.operator_id = o.operator_id and l.enabled
                                   and coalesce(l.options ->> 'draining', 'false') <> 'true');

-- name: routes_carried_by_none
-- The routes that are enabled, with an operator of $1, and without one of $2.
select r.prefix, r.client, r.sender, r.sms_type
from any_route r join queue q using (queue_id)
where r.enabled and q.operators && array(select operator_id from operator where name = any($1::text[]))
  and not q.operators && array(select operator_id from operator where name = any($2::text[]));

-- name: any_route_left
-- Whether any route is enabled, with one of the operators $1 (null = whichever).
select exists (
    select from any_route r join queue q using (queue_id)
    where r.enabled
      and ($1::text[] is null or q.operators && array(select operator_id from operator where name = any($1))));

-- name: clients_without_routes
-- The clients that sent, within a day, what these routes match and no route takes that is enabled and has one of the
-- operators $2 (null = whichever): by the counts of reports, where there is none whatever the number, and by the last
-- 10,000 messages of all, by the route that wins (payk.domain.route), which is not left for another.
with gone as materialized (
    select g.prefix, c.client_id, lower(g.sender) as sender, g.sms_type
    from jsonb_to_recordset($1::text::jsonb) as g (prefix text, client text, sender text, sms_type smallint)
    left join client c on c.name = g.client
), taking as materialized (
    select queue_id from queue
    where $2::text[] is null or operators && array(select operator_id from operator where name = any($2))
), sent as (
    select k.client_id, lower(k.sender) as sender, k.sms_type
    from report_count n join report_key k using (key_id)
    where n.span = 1 and n.began > now() - interval '25 hours'
    union
    select client_id, lower(sender), sms_type from report_delta where bucket > now() - interval '25 hours'
), last as (
    select client_id, lower(sender) as sender, sms_type, phone, accepted_at from message
    order by message_id desc limit 10000
)
select c.name from client c
where c.client_id in (
    select s.client_id from sent s
    where exists (select from gone g
                  where (g.client_id is null or g.client_id = s.client_id)
                    and (g.sender is null or g.sender = s.sender) and (g.sms_type is null or g.sms_type = s.sms_type))
      and not exists (select from any_route r
                      where r.enabled and r.queue_id in (select queue_id from taking)
                        and (r.client_id is null or r.client_id = s.client_id)
                        and (r.sender is null or lower(r.sender) = s.sender)
                        and (r.sms_type is null or r.sms_type = s.sms_type))
    union
    select m.client_id from last m
    where m.accepted_at > now() - interval '1 day'
      and exists (select from gone g
                  where starts_with(m.phone, g.prefix) and (g.client_id is null or g.client_id = m.client_id)
                    and (g.sender is null or g.sender = m.sender) and (g.sms_type is null or g.sms_type = m.sms_type))
      and coalesce((select r.queue_id from any_route r
                    where r.prefix = any(array(select left(m.phone, n) from generate_series(0, 15) n))
                      and r.enabled and (r.client_id is null or r.client_id = m.client_id)
                      and (r.sender is null or lower(r.sender) = m.sender)
                      and (r.sms_type is null or r.sms_type = m.sms_type)
                    order by r.client_id is null, r.sender is null, r.sms_type is null, length(r.prefix) desc
                    limit 1) not in (select queue_id from taking), true)
)
order by c.name;

-- name: operators_with_queues
-- Which of these operators messages wait for, now or scheduled, while no operator of their queue carries: enabled, not
-- drained, with a link that is so too. Scheduled ones are looked for in the order they are due, and to the end only where
-- there is none of such a queue.
select o.name
from operator o
where o.name = any($1::text[]) and exists (
    select from queue q
    where o.operator_id = any(q.operators)
      and not exists (
          select from unnest(q.operators) other (operator_id)
          join operator using (operator_id)
          where operator.enabled and not operator.draining
            and exists (select from link l where l.operator_id = other.operator_id and l.enabled
                                             and coalesce(l.options ->> 'draining', 'false') <> 'true'))
      and coalesce((select true from waiting w where w.queue_id = q.queue_id and w.claimed_by is null limit 1),
                   (select true from staged s where s.queue_id = q.queue_id limit 1), false)
)
order by o.name;

-- name: clients_with_batch_for_later
-- Which of these clients have Batch that waits for its time and was not tried yet.
select c.name from client c
where c.name = any($1::text[]) and exists (
    select from staged s where s.client_id = c.client_id and s.lane = 4 and s.attempt = 0 and s.uncertain_count = 0)
order by c.name;

-- name: record
-- Moves the version on and keeps who changed what.
with moved as (update registry_version set version = version + 1 returning version)
insert into registry_change (version, author, difference)
select version, $1, $2::text::jsonb from moved returning version;

-- name: taken_away
-- What the changes after version $1 may have taken away, as it is now: every key, sender, operator and link that they
-- changed, and of the clients and routes those that are disabled. `draining_alone`: nothing of it but `draining` was
-- changed. A change may have a million lines: they are gone through once, and no route is looked up for each. It names
-- keys by the first digits of the digest, routes with conditions by what they match, the others by their prefix ($2:
-- those of every number).
with changed as materialized (
    select line ->> 'kind' as kind, line ->> 'name' as name, line
    from registry_change r
    cross join lateral jsonb_array_elements(r.difference -> 'changes') line
    where r.version > $1 and line ->> 'sign' = '~'
      and line ->> 'kind' in ('api key', 'client', 'sender', 'operator', 'link', 'route')
), key_changed as (
    select case when name ~ '^[0-9a-f]{8}$' then name end as digits from changed where kind = 'api key'
), carrier_changed as (
    select kind, name,
           bool_and(coalesce(line -> 'fields', '{}') - 'draining' = '{}' and not line ? 'notes') as draining_alone
    from changed where kind in ('operator', 'link') group by kind, name
), disabled_or_changed as (  -- a route that is both is there twice, once with its number
    select r.route_id, r.prefix, r.client_id, lower(r.sender) as sender, r.sms_type
    from any_route r where not r.enabled and exists (select from changed where kind = 'route')
    union all
    select null, coalesce(named ->> 'prefix', case when changed.name = $2 then '' else changed.name end), c.client_id,
           lower(named ->> 'sender'), (named ->> 'sms_type')::smallint
    from changed
    cross join lateral (select line -> 'identity' as named) i
    left join client c on c.name = named ->> 'client'
    where kind = 'route'
)
select distinct 'api key' as kind, k.key_id as number, k.revoked_at is null as enabled, false as draining,
                false as draining_alone, k.client_id, null::text as name, k.expires_at, k.sha256, k.allow_from
from key_changed
join api_key k on k.sha256 between decode(digits || repeat('0', 56), 'hex') and decode(digits || repeat('f', 56), 'hex')
union all
select distinct 'client', c.client_id, false, false, false, c.client_id, null, null::timestamptz, null::bytea,
                null::text[]
from changed join client c using (name) where kind = 'client' and not c.enabled
union all
select distinct 'sender', null::integer, s.enabled, false, false, s.client_id, s.name, s.expires_at, null::bytea,
                null::text[]
from changed
join client c on c.name = substr(line ->> 'of', length('client ') + 1)
join sender s on s.client_id = c.client_id and lower(s.name) = lower(changed.name)
where kind = 'sender'
union all
select kind, o.operator_id, o.enabled, o.draining, draining_alone, null, null, null, null, null
from carrier_changed join operator o using (name) where kind = 'operator'
union all
select kind, l.link_id, l.enabled, coalesce(l.options ->> 'draining', 'false') = 'true', draining_alone, null, null, null,
       null, null
from carrier_changed join link l using (name) where kind = 'link'
union all
select 'route', max(route_id), false, false, false, null, null, null, null, null
from disabled_or_changed group by prefix, client_id, sender, sms_type
having count(route_id) > 0 and count(*) > count(route_id);

-- name: holds_alone
-- Whether every change after version $1 and up to $2 placed or released holds and did nothing else. A version that no
-- change is kept of may have done anything.
select count(*) = $2::bigint - $1::bigint
from registry_change
where version > $1 and version <= $2
  and difference -> 'changes' -> 0 ->> 'kind' in ('hold', 'cancel')
  and not jsonb_path_exists(difference, '$.changes[*] ? (@.kind != "hold" && @.kind != "cancel")');

-- name: announce
-- Wakes every process that follows the registry.
select pg_notify($1, $2);

-- name: load_clients
-- Every client with its settings and its approved senders.
select c.client_id, c.name, (c.limits || (to_jsonb(c) - '{client_id,name,limits}'::text[]))::text as options,
       s.names, s.expiry, s.operators
from client c cross join lateral (
    select coalesce(array_agg(s.name order by s.name), '{}') as names,
           coalesce(array_agg(s.expires_at order by s.name), '{}') as expiry,
           (json_object_agg(s.name, s.operators) filter (where s.operators <> '{}'))::text as operators
    from sender s where s.client_id = c.client_id and s.enabled
) s;

-- name: load_keys
-- Every key that was not revoked.
select sha256, key_id, client_id, expires_at, allow_from from api_key where revoked_at is null;

-- name: load_operators
-- Every operator.
select operator_id, name, enabled, draining, health, health_refused, health_receipts, health_delay
from operator order by operator_id;

-- name: load_links
-- Every link, with columns and quirks as one JSON object.
select link_id, operator_id, name, password,
       (options || jsonb_build_object('enabled', enabled, 'host', host, 'port', port, 'system_id', system_id))::text
           as options
from link order by link_id;

-- name: load_queues
-- Every queue with the operators it stands for.
select queue_id, operators from queue;

-- name: load_routes
-- Every route.
select route_id, prefix, client_id, sender, sms_type, queue_id, enabled, options::text from any_route;
