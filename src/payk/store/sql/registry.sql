-- name: version
-- The version of the registry; it moves with every change.
select version from registry_version;

-- name: lock
-- Makes changes wait for each other, until the end of the transaction.
select version from registry_version for update;

-- name: snapshot
-- What follows in this transaction sees one and the same instant.
set transaction isolation level repeatable read, read only;

-- name: clients_named
-- The clients of these names, with their settings as one JSON object.
select c.name, (to_jsonb(c) - '{client_id,name}'::text[])::text as options
from client c where c.name = any($1::text[]);

-- name: senders_of_clients
-- Every sender that these clients have, the disabled ones too.
select c.name as client, s.name, s.enabled
from client c join sender s using (client_id) where c.name = any($1::text[]);

-- name: keys_given
-- Whose these keys are, by digest, and whether they were revoked.
select k.sha256, c.name as client, k.revoked_at is not null as revoked
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
-- The routes of these prefixes, with the names of their operators in order.
select r.prefix,
       array(select o.name from unnest(q.operators) with ordinality as u (operator_id, n)
             join operator o using (operator_id) order by u.n) as operators,
       jsonb_build_object('enabled', r.enabled)::text as options
from route r join queue q using (queue_id) where r.prefix = any($1::text[]);

-- name: put_clients
-- Makes clients be as these JSON objects say.
insert into client (name, enabled, default_sms_type, default_country, repeat_window, client_message_id_window, bulk,
                    max_parts, text_days, uncertain)
select r.name, r.enabled, r.default_sms_type, r.default_country, r.repeat_window, r.client_message_id_window, r.bulk,
       r.max_parts, r.text_days, r.uncertain
from jsonb_populate_recordset(null::client, $1::text::jsonb) r
order by r.name
on conflict (name) do update set
    enabled = excluded.enabled, default_sms_type = excluded.default_sms_type,
    default_country = excluded.default_country, repeat_window = excluded.repeat_window,
    client_message_id_window = excluded.client_message_id_window, bulk = excluded.bulk,
    max_parts = excluded.max_parts, text_days = excluded.text_days, uncertain = excluded.uncertain;

-- name: put_senders
-- Makes senders be as these JSON objects say; a name is the same in any case of letters.
insert into sender (client_id, name, enabled)
select c.client_id, r.name, r.enabled
from jsonb_to_recordset($1::text::jsonb) as r (client text, name text, enabled boolean)
join client c on c.name = r.client
order by c.client_id, lower(r.name)
on conflict (client_id, lower(name)) do update set name = excluded.name, enabled = excluded.enabled;

-- name: put_keys
-- Adds API keys, or revokes them for good.
insert into api_key (sha256, client_id, revoked_at)
select decode(r.sha256, 'hex'), c.client_id, case when r.revoked then now() end
from jsonb_to_recordset($1::text::jsonb) as r (client text, sha256 text, revoked boolean)
join client c on c.name = r.client
order by r.sha256
on conflict (sha256) do update set revoked_at = coalesce(api_key.revoked_at, excluded.revoked_at);

-- name: put_operators
-- Makes operators be as these JSON objects say.
insert into operator (name, enabled)
select r.name, r.enabled from jsonb_populate_recordset(null::operator, $1::text::jsonb) r
order by r.name
on conflict (name) do update set enabled = excluded.enabled;

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
insert into route (prefix, queue_id, enabled)
select r.prefix, q.queue_id, r.enabled
from jsonb_to_recordset($1::text::jsonb) as r (prefix text, operators text[], enabled boolean)
join queue q on q.operators = array(select o.operator_id from unnest(r.operators) with ordinality as u (name, n)
                                    join operator o using (name) order by u.n)
order by r.prefix
on conflict (prefix) do update set queue_id = excluded.queue_id, enabled = excluded.enabled;

-- name: record
-- Moves the version on and keeps who changed what.
with moved as (update registry_version set version = version + 1 returning version)
insert into registry_change (version, author, difference)
select version, $1, $2::text::jsonb from moved returning version;

-- name: announce
-- Wakes every process that follows the registry.
select pg_notify($1, $2);

-- name: load_clients
-- Every client with its settings and its enabled senders.
select c.client_id, c.name, (to_jsonb(c) - '{client_id,name}'::text[])::text as options,
       array(select s.name from sender s where s.client_id = c.client_id and s.enabled) as senders
from client c;

-- name: load_keys
-- Every key that was not revoked.
select sha256, client_id from api_key where revoked_at is null;

-- name: load_operators
-- Every operator.
select operator_id, name, enabled from operator order by operator_id;

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
select route_id, prefix, queue_id, enabled from route;
