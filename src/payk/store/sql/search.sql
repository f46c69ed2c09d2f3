-- name: find_client
-- A client by its name.
select client_id, default_country from client where name = $1;

-- name: find_operator
-- An operator by its name.
select operator_id from operator where name = $1;

-- name: id_range
-- The ids among which messages accepted from $1 to before $2 lie (null = no end), with $3 seconds to either side: an id
-- is drawn up to so long before or after its neighbour's moment.
select case when $1::timestamptz is null then 0 else message_id_at($1 - make_interval(secs => $3)) end as low,
       case when $2::timestamptz is null then (select last_value + 1 from message_id)
            else message_id_at($2 + make_interval(secs => $3)) end as high;

-- name: look
-- Looks at up to $2 messages with ids from $3 to below $4, by the index that $1 names ('number', 'number of client',
-- 'label', 'client_message_id': any of them; 'client', 'id': the newest), and finds up to $5 that are all of $6 to $16.
-- Answers one row at least: how many were looked at, the lowest of them and when it was accepted.
-- Each branch runs only where $1 names it. That of a client compares and orders by the pair, which no other index can do:
-- `client_id = $6` would be a filter on the way back through everybody's where statistics know but one client.
with looked_at as materialized (
    (select message_id, accepted_at, client_id, operator_id, sms_type, state, phone, sender, label, client_message_id
     from message where $1 = 'number' and phone = $7 limit $2)
    union all
    (select message_id, accepted_at, client_id, operator_id, sms_type, state, phone, sender, label, client_message_id
     from message where $1 = 'number of client' and phone = $7 and client_id = $6 limit $2)
    union all
    (select message_id, accepted_at, client_id, operator_id, sms_type, state, phone, sender, label, client_message_id
     from message where $1 = 'label' and client_id = $6 and label = $9 limit $2)
    union all
    (select message_id, accepted_at, client_id, operator_id, sms_type, state, phone, sender, label, client_message_id
     from message where $1 = 'client_message_id' and client_id = $6 and client_message_id = $14 limit $2)
    union all
    (select message_id, accepted_at, client_id, operator_id, sms_type, state, phone, sender, label, client_message_id
     from message where $1 = 'client' and (client_id, message_id) >= ($6, $3) and (client_id, message_id) < ($6, $4)
     order by client_id desc, message_id desc limit $2)
    union all
    (select message_id, accepted_at, client_id, operator_id, sms_type, state, phone, sender, label, client_message_id
     from message where $1 = 'id' and message_id >= $3 and message_id < $4 order by message_id desc limit $2)
), found as (
    select message_id from looked_at l
    where message_id >= $3 and message_id < $4
      and ($6::integer is null or client_id = $6)
      and ($7::text is null or phone = $7)
      and ($8::text is null or right(phone, length($8)) = $8)
      and ($9::text is null or label = $9)
      and ($10::text is null or lower(sender) = lower($10))
      and ($11::smallint is null or sms_type = $11)
      and ($12::smallint is null
           or $12 = case when state = 0 and exists (select from waiting w where w.message_id = l.message_id
                                                    and w.claimed_by is not null) then 1 else state end)
      and ($13::integer is null or operator_id = $13)
      and ($14::text is null or client_message_id = $14)
      and ($15::timestamptz is null or accepted_at >= $15)
      and ($16::timestamptz is null or accepted_at < $16)
    order by message_id desc limit $5
)
select (select count(*) from looked_at) as looked_at,
       (select min(message_id) from looked_at) as lowest,
       (select accepted_at from looked_at order by message_id limit 1) as lowest_at,
       array(select message_id from found order by message_id desc) as found;

-- name: read_messages
-- These messages without their texts, newest first; a claimed one is being handed over, hence Enroute.
select m.message_id, c.name as client, m.accepted_at, m.scheduled_at, m.expires_at, m.submitted_at, m.done_at,
       m.sms_type, m.priority,
       case when m.state = 0 and w.claimed_by is not null then 1 else m.state end as state,
       m.parts, m.phone as number, m.sender, m.label, m.client_message_id, o.name as operator,
       nullif(report_reason(m.state, m.reason), '') as reason
from unnest($1::bigint[]) as g (message_id)
join message m on m.message_id = g.message_id
left join client c on c.client_id = m.client_id
left join operator o on o.operator_id = m.operator_id
left join waiting w on w.message_id = m.message_id
order by m.message_id desc;

-- name: read_text
-- The text of a message as it is stored, and the number that it was sealed for; empty where it was wiped.
select text, phone from message where message_id = $1;
