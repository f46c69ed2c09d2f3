-- Texts that are not needed any more are found without an index of their own: one over texts would make their wiping,
-- which otherwise stays on its page (HOT), write into every index. Messages are passed once, in the order of their ids,
-- when nearly all of them are due at once; the few whose text is still needed then go to text_left, each with the time
-- at which it is worth another look.

-- name: follow_clients
-- A walk for every client whose texts are wiped; a client that begins to have them wiped begins at its first message.
with gone as (
    delete from text_walk w
    where w.client_id <> 0 and not exists (select from client c where c.client_id = w.client_id and c.text_days > 0)
)
insert into text_walk (client_id) select client_id from client where text_days > 0 on conflict do nothing;

-- name: due_walks
-- Walks worth going on with, and for how many days their texts are kept (null: Otp). None on a line of history that is
-- not known: there nothing is decided before a person did.
select w.client_id, c.text_days from text_walk w left join client c using (client_id)
where w.next_at <= now() and line_is_known() order by w.client_id;

-- name: take_walk
-- How far a walk came; locked, so that one process walks.
select passed from text_walk where client_id = $1 and next_at <= now() for update skip locked;

-- name: passable
-- Messages accepted until then may be passed, where texts are kept for $1 seconds. A message whose transaction is open
-- is not seen, and its id may be below others. Those began before it at most by a minute, for a transaction draws its
-- ids within that time.
select least(now() - make_interval(secs => $1), min(a.xact_start) - interval '1 minute')
from pg_stat_activity a
where a.datname = current_database() and a.backend_xid is not null and a.pid <> pg_backend_pid();

-- name: walk_on
-- Of the next $3 messages above id $1 those accepted until $2: which of them have a text that this walk looks for, at
-- most $4; up to which id they are, and when the first one behind them was accepted. $5 is a client, whose messages but
-- Otp are looked at; or 0, for the Otp of all. Only one branch is run, each by an index of its own.
with batch as materialized (
    (select message_id, accepted_at, sms_type = 2 and text <> '' as has_text
     from message where $5 = 0 and message_id > $1 order by message_id limit $3)
    union all
    (select message_id, accepted_at, sms_type <> 2 and text <> ''
     from message where $5 <> 0 and client_id = $5 and message_id > $1 order by message_id limit $3)
), young as (
    select message_id, accepted_at from batch where accepted_at > $2 order by message_id limit 1
), old as (
    select * from batch where message_id < coalesce((select message_id from young), 9223372036854775807)
), texts as (
    select message_id from old where has_text order by message_id limit $4
)
select array(select message_id from texts order by message_id) as texts,
       case when (select count(*) from texts) = $4 then (select max(message_id) from texts)
            else (select max(message_id) from old) end as passed,
       (select accepted_at from young) as next_accepted_at,
       (select count(*) from old) as messages;

-- name: walked
-- A walk came up to id $2. It goes on when the next message is due, $3 seconds after it was accepted; but not before $4
-- seconds from now nor after $5.
update text_walk
set passed = $2,
    next_at = least(greatest($6::timestamptz + make_interval(secs => $3), now() + make_interval(secs => $4)),
                    now() + make_interval(secs => $5))
where client_id = $1;

-- name: wipe
-- Wipes texts that were kept long enough since the operator took the last part, or since the message became final, and
-- that surely are not sent again. What another transaction is at is passed over.
update message m set text = ''
from (
    select m.message_id from message m left join client c on c.client_id = m.client_id
    where m.message_id = any($1::bigint[]) and m.text <> ''
      -- receipt_due is set once the last part was handed over.
      and least(m.done_at, case when m.receipt_due is not null then m.submitted_at end)
          <= now() - case m.sms_type when 2 then make_interval(secs => $2)
                                     else make_interval(days => nullif(c.text_days, 0)) end
      and not exists (select from waiting w where w.message_id = m.message_id)
      and not exists (select from staged s where s.message_id = m.message_id)
      and not exists (select from set_aside a where a.message_id = m.message_id and a.dealt_with_at is null)
    order by m.message_id for update of m skip locked
) due
where m.message_id = due.message_id
returning m.message_id;

-- name: look_again
-- Those of these messages whose text is to be wiped later, and when: a message that is not over now cannot be due
-- before its time has passed once more. Within a day in any case, for the time may be changed.
insert into text_left (message_id, look_at)
select k.message_id,
       least(greatest(coalesce(k.over_at, now()) + k.kept_for, now() + interval '10 seconds'), now() + interval '1 day')
from (
    select m.message_id, least(m.done_at, case when m.receipt_due is not null then m.submitted_at end) as over_at,
           case m.sms_type when 2 then make_interval(secs => $2)
                           else make_interval(days => nullif(c.text_days, 0)) end as kept_for
    from message m left join client c on c.client_id = m.client_id
    where m.message_id = any($1::bigint[]) and m.text <> ''
) k
where k.kept_for is not null
order by k.message_id
on conflict (message_id) do update set look_at = excluded.look_at
returning message_id;

-- name: due_again
-- Messages that are worth another look; locked, so that one process looks.
select message_id from text_left where look_at <= now() order by look_at limit $1 for update skip locked;

-- name: forget
-- Wiped, dropped, or to be kept after all.
delete from text_left where message_id = any($1::bigint[]);
