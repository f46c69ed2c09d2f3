-- name: finish
-- Messages that end without a receipt, from the states they were locked in; answers those of which something is charged.
with ended as (
    update message m
    set state = g.state, part_states = coalesce(g.part_states::smallint[], m.part_states),
        done_at = case when g.final then now() end, reason = coalesce(g.reason, m.reason)
    from unnest($1::bigint[], $2::smallint[], $3::smallint[], $4::text[], $5::boolean[], $6::text[])
        as g (message_id, from_state, state, part_states, final, reason)
    where m.message_id = g.message_id and m.state = g.from_state
    returning m.message_id, m.charged_on
)
select array(select message_id from ended where charged_on is not null);

-- name: told
-- What the log and traces tell of messages that ended.
select message_id, client_id, operator_id, request_id, phone, parts,
       date_part('epoch', now() - accepted_at) as way, trace
from message where message_id = any($1::bigint[]) order by message_id;

-- name: is_there
-- Whether a message is in this state.
select exists (select from message where message_id = $1 and state = $2);
