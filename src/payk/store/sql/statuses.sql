-- name: message_statuses
-- The states of messages by client and id; a claimed message is being handed over, hence Enroute.
select g.ord, m.message_id, m.accepted_at, m.done_at,
       case when m.state = 0 and w.claimed_by is not null then 1 else m.state end as state
from unnest($1::integer[], $2::bigint[]) with ordinality as g (client_id, message_id, ord)
join message m on m.message_id = g.message_id and m.client_id = g.client_id
left join waiting w on w.message_id = m.message_id;

-- name: imported_statuses
-- The states of messages that another centre sent, by client and id; ids of our own are not looked for.
select g.ord, i.message_id, i.submitted_at as accepted_at, i.done_at, i.state
from unnest($1::integer[], $2::bigint[]) with ordinality as g (client_id, message_id, ord)
join imported_message i on i.message_id = g.message_id and i.client_id = g.client_id
where g.message_id < (select message_id from first_message_id);
