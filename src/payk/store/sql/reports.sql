-- name: fold_lock
-- One fold at a time: the labels of a day are counted in turn.
select pg_advisory_xact_lock(hashtext('payk.report_fold'));

-- name: take_deltas
-- Takes up to $1 of the differences that were written, added up, and how many these were. Those of labelled messages that
-- were submitted tell the second they were written in, while that counts for the pace; null for those counted afterwards.
with gone as (
    delete from report_delta where ctid = any(array(select ctid from report_delta limit $1)) returning *
)
select bucket, client_id, queue_id, operator_id, sms_type, state, submit_bin, deliver_bin, sender, label, reason, due,
       case when label is not null and state <> 0 and submit_bin is not null
             and written_at > now() - interval '10 minutes' then date_trunc('second', written_at) end as paced,
       sum(messages)::bigint as messages, sum(parts)::bigint as parts, sum(price)::bigint as price,
       count(*)::bigint as deltas
from gone
group by bucket, client_id, queue_id, operator_id, sms_type, state, submit_bin, deliver_bin, sender, label, reason, due,
         paced;

-- name: labels_known
-- Those of these labels that are told apart on their days.
select g.day, g.client_id, g.label
from unnest($1::date[], $2::integer[], $3::text[]) as g (day, client_id, label)
join report_label l on l.day = g.day and l.client_id = g.client_id and l.label = g.label;

-- name: label_counts
-- How many labels are told apart on these days: of all (client_id 0) and of these clients.
select day, client_id, labels from report_label_count where day = any($1::date[]) and client_id = any($2::integer[]);

-- name: add_labels
-- Labels that are told apart from now on.
insert into report_label (day, client_id, label)
select * from unnest($1::date[], $2::integer[], $3::text[]);

-- name: add_label_counts
-- How many there are more.
insert into report_label_count (day, client_id, labels)
select * from unnest($1::date[], $2::integer[], $3::integer[])
on conflict (day, client_id) do update set labels = report_label_count.labels + excluded.labels;

-- name: add_keys
-- Keys that are not there yet.
insert into report_key (client_id, queue_id, operator_id, sms_type, sender, label, other)
select g.client_id, g.queue_id, g.operator_id, g.sms_type, g.sender, g.label, g.other
from unnest($1::integer[], $2::integer[], $3::integer[], $4::smallint[], $5::text[], $6::text[], $7::boolean[])
    as g (client_id, queue_id, operator_id, sms_type, sender, label, other)
order by g.client_id, g.label, g.queue_id, g.operator_id, g.sms_type, g.sender, g.other
on conflict do nothing;

-- name: find_keys
-- The numbers of keys, with their places in the question.
select g.ord::integer - 1 as place, k.key_id
from unnest($1::integer[], $2::integer[], $3::integer[], $4::smallint[], $5::text[], $6::text[], $7::boolean[])
    with ordinality as g (client_id, queue_id, operator_id, sms_type, sender, label, other, ord)
join report_key k on k.client_id = g.client_id and k.label = g.label and k.queue_id = g.queue_id
 and k.operator_id = g.operator_id and k.sms_type = g.sms_type and k.sender = g.sender and k.other = g.other;

-- name: add_counts
-- Adds differences ($1 to $8: bucket, key, state, messages, parts, price, histograms) to the counts of all spans.
-- Histograms come as text: numbers of a thousand digits are dear to make in Python, and to send.
with given as (
    select s.span, date_bin(s.width, g.bucket, '2000-01-01 00:00:00+00') as began, g.key_id, g.state, g.messages,
           g.parts, g.price, g.submit_times::numeric, g.deliver_times::numeric
    from unnest($1::timestamptz[], $2::integer[], $3::smallint[], $4::bigint[], $5::bigint[], $6::bigint[],
                $7::text[], $8::text[])
        as g (bucket, key_id, state, messages, parts, price, submit_times, deliver_times)
    cross join (values (0::smallint, interval '15 minutes'), (1::smallint, interval '1 hour'),
                       (2::smallint, interval '1 day')) as s (span, width)
)
insert into report_count as c
select span, began, key_id,
       coalesce(sum(messages) filter (where state = 0), 0), coalesce(sum(messages) filter (where state = 1), 0),
       coalesce(sum(messages) filter (where state = 2), 0), coalesce(sum(messages) filter (where state = 3), 0),
       coalesce(sum(messages) filter (where state = 4), 0), coalesce(sum(messages) filter (where state = 5), 0),
       coalesce(sum(messages) filter (where state = 6), 0), coalesce(sum(messages) filter (where state = 7), 0),
       coalesce(sum(messages) filter (where state = 8), 0),
       coalesce(sum(parts) filter (where state = 0), 0), coalesce(sum(parts) filter (where state = 1), 0),
       coalesce(sum(parts) filter (where state = 2), 0), coalesce(sum(parts) filter (where state = 3), 0),
       coalesce(sum(parts) filter (where state = 4), 0), coalesce(sum(parts) filter (where state = 5), 0),
       coalesce(sum(parts) filter (where state = 6), 0), coalesce(sum(parts) filter (where state = 7), 0),
       coalesce(sum(parts) filter (where state = 8), 0),
       sum(price), sum(submit_times), sum(deliver_times)
from given
group by span, began, key_id
order by span, began, key_id
on conflict (span, began, key_id) do update
set m0 = c.m0 + excluded.m0, m1 = c.m1 + excluded.m1, m2 = c.m2 + excluded.m2, m3 = c.m3 + excluded.m3,
    m4 = c.m4 + excluded.m4, m5 = c.m5 + excluded.m5, m6 = c.m6 + excluded.m6, m7 = c.m7 + excluded.m7,
    m8 = c.m8 + excluded.m8,
    p0 = c.p0 + excluded.p0, p1 = c.p1 + excluded.p1, p2 = c.p2 + excluded.p2, p3 = c.p3 + excluded.p3,
    p4 = c.p4 + excluded.p4, p5 = c.p5 + excluded.p5, p6 = c.p6 + excluded.p6, p7 = c.p7 + excluded.p7,
    p8 = c.p8 + excluded.p8,
    price = c.price + excluded.price, submit_times = c.submit_times + excluded.submit_times,
    deliver_times = c.deliver_times + excluded.deliver_times;

-- name: add_failures
-- Adds differences ($1 to $5: bucket, key, state, reason, messages) to the failures of all spans.
with given as (
    select s.span, date_bin(s.width, g.bucket, '2000-01-01 00:00:00+00') as began, g.key_id, g.state, g.reason,
           g.messages
    from unnest($1::timestamptz[], $2::integer[], $3::smallint[], $4::text[], $5::bigint[])
        as g (bucket, key_id, state, reason, messages)
    cross join (values (0::smallint, interval '15 minutes'), (1::smallint, interval '1 hour'),
                       (2::smallint, interval '1 day')) as s (span, width)
)
insert into report_failure as f
select span, began, key_id, state, reason, sum(messages) from given
group by span, began, key_id, state, reason
having sum(messages) <> 0
order by span, began, key_id, state, reason
on conflict (span, began, key_id, state, reason) do update set messages = f.messages + excluded.messages;

-- name: add_due
-- Labelled messages that came to be sent at a later minute, or need not be any more.
insert into report_due as d (client_id, label, due, messages)
select client_id, label, due, sum(messages)
from unnest($1::integer[], $2::text[], $3::timestamptz[], $4::bigint[]) as g (client_id, label, due, messages)
group by client_id, label, due
having sum(messages) <> 0
order by client_id, label, due
on conflict (client_id, label, due) do update set messages = d.messages + excluded.messages;

-- name: add_pace
-- Labelled messages that were submitted of late, by seconds, in a column that is named for the minutes of earlier versions.
insert into report_pace as p (client_id, label, minute, messages)
select client_id, label, paced, messages
from unnest($1::integer[], $2::text[], $3::timestamptz[], $4::bigint[]) as g (client_id, label, paced, messages)
order by client_id, label, paced
on conflict (client_id, label, minute) do update set messages = p.messages + excluded.messages;

-- name: earlier_lock
-- Waits for whoever is changing messages that are not counted yet, and lets nobody do so meanwhile.
select pg_advisory_xact_lock(hashtext('payk.report_start'));

-- name: counted_from
-- Messages below this id are not counted yet; 0 = all are. With the id from which the next slice of $1 goes, 0 at the
-- end, and when the oldest message that is counted was accepted.
select s.counted_from,
       coalesce((select min(message_id) from (select message_id from message where message_id < s.counted_from
                                              order by message_id desc limit $1) m), 0) as next_from,
       (select accepted_at from message where message_id >= s.counted_from order by message_id limit 1) as counted_since
from report_start s;

-- name: count_slice
-- Counts the messages with ids from $1 to below $2, as the triggers count those of now. In an order in which those that
-- are folded together belong to few counts. They are nobody's pace, whenever they were submitted.
insert into report_delta (bucket, client_id, queue_id, operator_id, sms_type, state, submit_bin, deliver_bin, sender,
                          label, reason, due, written_at, messages, parts, price)
select report_bucket(accepted_at), client_id, queue_id, operator_id, sms_type, state,
       report_submit_bin(accepted_at, scheduled_at, submitted_at), report_deliver_bin(state, submitted_at, done_at),
       sender, label, report_reason(state, reason), report_due(state, label, scheduled_at), null,
       count(*), sum(parts), coalesce(sum(charged) filter (where charged_on is not null), 0)
from message where message_id >= $1 and message_id < $2
group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
order by 1, 2, 9, 10;

-- name: move_start
-- Messages from this id on are counted.
update report_start set counted_from = $1;

-- name: drop_empty_counts
-- Rows of before $1 that came to nothing, as those of an operator whose messages another one took; $2 at most.
delete from report_count where ctid = any(array(
    select ctid from report_count
    where span in (0, 1, 2) and began < $1 and began >= $1 - interval '3 days'
      and m0 = 0 and m1 = 0 and m2 = 0 and m3 = 0 and m4 = 0 and m5 = 0 and m6 = 0 and m7 = 0 and m8 = 0 and price = 0
      and submit_times = 0 and deliver_times = 0
    limit $2));

-- name: drop_empty_failures
-- The same of failures.
delete from report_failure where ctid = any(array(
    select ctid from report_failure
    where span in (0, 1, 2) and began < $1 and began >= $1 - interval '3 days' and messages = 0 limit $2));

-- name: prune_due
-- Minutes that are over.
delete from report_due where messages = 0 or due < now() - interval '32 days';

-- name: prune_pace
-- Seconds that nobody asks for any more.
delete from report_pace where minute < now() - interval '10 minutes';

-- part: settled
-- Of prune_counts and prune_failures: no message of a row may change any more. Unknown is corrected by a receipt, whose
-- submit is known for 40 days; and a message may be submitted 396 days after it was accepted (ScheduledAt, ExpiresIn).
c.m0 <= 0 and c.m1 <= 0 and c.m6 <= 0 and (c.m7 <= 0 or c.began < now() - interval '440 days')

-- name: prune_counts
-- Counts that began more than $1 days ago, $2 at most; those of messages that are still open stay.
delete from report_count where ctid = any(array(
    select ctid from report_count c where span in (0, 1, 2) and began < now() - make_interval(days => $1::integer)
       and
{reports.settled}
    limit $2));

-- name: prune_failures
-- The same of failures.
delete from report_failure where ctid = any(array(
    select ctid from report_failure f where span in (0, 1, 2) and began < now() - make_interval(days => $1::integer)
       and not exists (select from report_count c
                       where c.span = f.span and c.began = f.began and c.key_id = f.key_id and not (
{reports.settled}
                       ))
    limit $2));

-- name: unused_keys
-- Looks at $2 keys behind $1, one by one: the last one (null = there are no more), and those that nothing is counted under.
select max(k.key_id) as last,
       coalesce(array_agg(k.key_id) filter (where c.used is null and f.used is null), '{}') as unused
from (select key_id from report_key where key_id > $1 order by key_id limit $2) k
left join lateral (select true as used from report_count n where n.key_id = k.key_id limit 1) c on true
left join lateral (select true as used from report_failure n where n.key_id = k.key_id limit 1) f on true;

-- name: prune_keys
-- These keys, where nothing is counted under them still.
delete from report_key where key_id = any(array(
    select k.key_id from unnest($1::integer[]) as k (key_id)
    left join lateral (select true as used from report_count n where n.key_id = k.key_id limit 1) c on true
    left join lateral (select true as used from report_failure n where n.key_id = k.key_id limit 1) f on true
    where c.used is null and f.used is null));

-- part: days_kept
-- Of prune_labels and prune_label_counts: days of so long ago that something is still counted on.
array(select (began at time zone 'UTC')::date from report_count
      where span = 2 and began < now() - make_interval(days => $1))

-- name: prune_labels
-- Labels of days whose messages do not change any more: nothing is counted on them.
delete from report_label
where day < (now() - make_interval(days => $1::integer))::date and day <> all(
{reports.days_kept}
);

-- name: prune_label_counts
-- How many these were.
delete from report_label_count
where day < (now() - make_interval(days => $1::integer))::date and day <> all(
{reports.days_kept}
);

-- name: plan_anew
-- What this transaction asks is planned for its values, and for the tables as large as they are now: reports ask for one
-- row or a million by the same words, and the plans that serve the other verbs are kept from whenever they were made.
select set_config('plan_cache_mode', 'force_custom_plan', true);

-- name: join_at_once
-- A report of everything needs all keys anyway, or most: they are looked up faster together than one by one.
select set_config('enable_hashjoin', 'on', true);

-- name: snapshot
-- All that this transaction reads is of one instant.
set transaction isolation level repeatable read, read only;

-- name: choose_keys
-- The keys that a filter leaves: $1 client, $2 label ('' = none), $3 sender, $4 type, $5 operator, $6 queues; null = any.
-- With how many were looked at for that: those of the client and label, client by client, up to one more than $7.
with looked_at as materialized (
    select k.*
    from (select client_id from client where $1::integer is null or client_id = $1) n
    cross join lateral (
        select * from report_key o
        where o.client_id = n.client_id and ($2::text is null or o.label = $2 and not o.other)
        limit $7::integer + 1
    ) k
    limit $7 + 1
)
select count(*) as looked_at,
       coalesce(array_agg(key_id) filter (where
           ($3::text is null or lower(sender) = lower($3)) and ($4::smallint is null or sms_type = $4)
           and ($5::integer is null or operator_id = $5) and ($6::integer[] is null or queue_id = any($6))
       ), '{}') as keys
from looked_at;

-- part: group
-- Of read_counts and read_failures: the period, and what $6 names; queues $13 count as those of $14.
width_bucket(began, $4::timestamptz[]) - 1 as period,
       case when 'client' = any($6::text[]) then client_id end as client_id,
       case when 'label' = any($6) then label end collate "C" as label, 'label' = any($6) and other as other,
       case when 'sender' = any($6) then sender end collate "C" as sender,
       case when 'type' = any($6) then sms_type end as sms_type,
       case when 'operator' = any($6) then operator_id end as operator_id,
       case when 'route' = any($6)
            then coalesce(($14::integer[])[array_position($13::integer[], queue_id)], queue_id) end as queue_id

-- part: filtered
-- Of the same: what the filters leave.
where ($7::integer is null or client_id = $7) and ($8::text is null or label = $8 and not other)
  and ($9::text is null or lower(sender) = lower($9)) and ($10::smallint is null or sms_type = $10)
  and ($11::integer is null or operator_id = $11) and ($12::integer[] is null or queue_id = any($12))

-- name: read_counts
-- The counts of ranges ($1 span, $2 from, $3 to before), by periods (that begin at $4, the first one with the first range)
-- and by what $6 names of client, label, sender, type, operator, route: those of the keys $5, each looked for in each
-- range; without them (null) all counts of the ranges whose keys the filters $7 to $12 leave, as choose_keys has them.
-- Histograms as payk.domain.latency reads them. Each row tells how many there are, so that too many are refused at the
-- first one. Texts are in the order of Python's, which read_failures is merged in.
-- Each range is read by the index, and not all of a span for each; and what the filters leave is seen behind that, so that
-- nobody begins with the keys of a client, however many or few it is thought to have.
select
{reports.group},
       sum(m0)::bigint as m0, sum(m1)::bigint as m1, sum(m2)::bigint as m2, sum(m3)::bigint as m3,
       sum(m4)::bigint as m4, sum(m5)::bigint as m5, sum(m6)::bigint as m6, sum(m7)::bigint as m7, sum(m8)::bigint as m8,
       sum(p0)::bigint as p0, sum(p1)::bigint as p1, sum(p2)::bigint as p2, sum(p3)::bigint as p3,
       sum(p4)::bigint as p4, sum(p5)::bigint as p5, sum(p6)::bigint as p6, sum(p7)::bigint as p7, sum(p8)::bigint as p8,
       sum(price)::bigint as price, sum(submit_times)::text as submit_times, sum(deliver_times)::text as deliver_times,
       count(*) over () as rows
from (
    select c.*, k.client_id, k.queue_id, k.operator_id, k.sms_type, k.sender, k.label, k.other
    from unnest($1::smallint[], $2::timestamptz[], $3::timestamptz[]) as r (span, low, high)
    cross join lateral (
        select * from report_count n
        where $5::integer[] is null and n.span = r.span and n.began >= r.low and n.began < r.high
        union all
        select n.* from unnest($5) as g (key_id) cross join lateral (
            select * from report_count o
            where o.key_id = g.key_id and o.span = r.span and o.began >= r.low and o.began < r.high
            offset 0
        ) n
        offset 0
    ) c
    join report_key k using (key_id)
    offset 0
) x
{reports.filtered}
group by 1, 2, 3, 4, 5, 6, 7, 8
having greatest(sum(m0), sum(m1), sum(m2), sum(m3), sum(m4), sum(m5), sum(m6), sum(m7), sum(m8)) > 0
order by 1, 2, 3, 4, 5, 6, 7, 8;

-- name: read_failures
-- The failures of the same, in the same order.
select
{reports.group},
       state, reason, sum(messages)::bigint as messages
from (
    select f.*, k.client_id, k.queue_id, k.operator_id, k.sms_type, k.sender, k.label, k.other
    from unnest($1::smallint[], $2::timestamptz[], $3::timestamptz[]) as r (span, low, high)
    cross join lateral (
        select * from report_failure n
        where $5::integer[] is null and n.span = r.span and n.began >= r.low and n.began < r.high
        union all
        select n.* from unnest($5) as g (key_id) cross join lateral (
            select * from report_failure o
            where o.key_id = g.key_id and o.span = r.span and o.began >= r.low and o.began < r.high
            offset 0
        ) n
        offset 0
    ) f
    join report_key k using (key_id)
    offset 0
) x
{reports.filtered}
group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
having sum(messages) > 0
order by 1, 2, 3, 4, 5, 6, 7, 8, messages desc, state, reason;

-- name: read_claimed
-- What is being handed over just now of messages accepted from $1 to before $2, of keys that the filters $3 to $8
-- leave (as choose_keys has them), in buckets: it is counted as None, for no claim writes to its record, and is Enroute.
-- Few are claimed at a time, and each is looked up.
with claimed as materialized (
    select report_bucket(m.accepted_at) as bucket, m.client_id, m.queue_id, coalesce(m.operator_id, 0) as operator_id,
           m.sms_type, m.sender, coalesce(m.label, '') as label, count(*) as messages, sum(m.parts)::bigint as parts
    from waiting w cross join lateral (
        select * from message r where r.message_id = w.message_id and r.state = 0 offset 0
    ) m
    where w.claimed_by is not null and m.accepted_at >= $1 and m.accepted_at < $2
    group by 1, 2, 3, 4, 5, 6, 7
)
select c.bucket, k.client_id, k.label, k.other, k.sender, k.sms_type, k.operator_id, k.queue_id,
       sum(c.messages)::bigint as messages, sum(c.parts)::bigint as parts
from claimed c
cross join lateral (
    select c.label <> '' and not exists (
        select from report_label l where l.day = (c.bucket at time zone 'UTC')::date
                                     and l.client_id = c.client_id and l.label = c.label) as other offset 0
) b
cross join lateral (
    select * from report_key n
    where n.client_id = c.client_id and n.label = case when b.other then '' else c.label end and n.queue_id = c.queue_id
      and n.operator_id = c.operator_id and n.sms_type = c.sms_type and n.sender = c.sender and n.other = b.other
    offset 0
) k
where ($3::integer is null or k.client_id = $3) and ($4::text is null or k.label = $4 and not k.other)
  and ($5::text is null or lower(k.sender) = lower($5)) and ($6::smallint is null or k.sms_type = $6)
  and ($7::integer is null or k.operator_id = $7) and ($8::integer[] is null or k.queue_id = any($8))
group by 1, 2, 3, 4, 5, 6, 7, 8;

-- name: names
-- What ids stand for: clients and operators.
select 'client' as kind, client_id as id, name from client
union all
select 'operator', operator_id, name from operator;

-- name: lists
-- The lists of operators that messages may have.
select queue_id, operators from queue;

-- name: ways
-- The operators of routes, in the order in which each names them, and what else says how they are drawn; the oldest first.
select q.operators, (r.options - 'price')::text as options
from any_route r join queue q using (queue_id)
group by q.operators, r.options - 'price'
order by min(r.route_id);

-- part: parts
-- How many parts a row counts, as messages.
greatest(p0, 0) + greatest(p1, 0) + greatest(p2, 0) + greatest(p3, 0) + greatest(p4, 0) + greatest(p5, 0)
+ greatest(p6, 0) + greatest(p7, 0) + greatest(p8, 0)

-- name: label_counts_of
-- How many messages of a label are in each state, by what a hold may name: type and queue.
select k.sms_type, (select q.operators[1] from queue q where q.queue_id = k.queue_id) as operator_id,
       sum(c.m0)::bigint as m0, sum(c.m1)::bigint as m1, sum(c.m2)::bigint as m2, sum(c.m3)::bigint as m3,
       sum(c.m4)::bigint as m4, sum(c.m5)::bigint as m5, sum(c.m6)::bigint as m6, sum(c.m7)::bigint as m7,
       sum(c.m8)::bigint as m8, sum(
{reports.parts}
       )::bigint as parts
from report_key k join report_count c on c.key_id = k.key_id and c.span = 2
where k.client_id = $1 and k.label = $2
group by 1, 2;

-- name: label_claimed_of
-- What of a label is being handed over just now, as read_claimed, by what a hold may name. $3: the keys that messages with
-- the label wait under.
select m.sms_type, (select q.operators[1] from queue q where q.queue_id = m.queue_id) as operator_id,
       count(*) as messages
from waiting w cross join lateral (
    select r.sms_type, r.queue_id, r.state, r.label from message r
    where r.client_id = $1 and r.message_id = w.message_id offset 0
) m
where m.state = 0 and m.label = $2 and w.claimed_by is not null and w.client_id = $1 and w.label_key = any($3::integer[])
group by 1, 2;

-- name: label_failures_of
-- Why messages of a label failed.
select f.state, f.reason, sum(f.messages)::bigint as messages
from report_key k join report_failure f on f.key_id = k.key_id and f.span = 2
where k.client_id = $1 and k.label = $2
group by 1, 2 having sum(f.messages) > 0 order by 3 desc, 1, 2;

-- name: label_beyond
-- What label $2 of client $1 has on days on which it is not told apart from others, message by message: of $3
-- that are looked at, by what a hold may name, state and reason. One row at least: how many there are, up to one more.
with untold as materialized (
    select (c.began at time zone 'UTC')::date as day
    from report_key k join report_count c on c.key_id = k.key_id and c.span = 2
    where k.client_id = $1 and k.label = '' and k.other
      and not exists (select from report_label l
                      where l.day = (c.began at time zone 'UTC')::date and l.client_id = $1 and l.label = $2)
), looked_at as materialized (
    select message_id, accepted_at, sms_type, queue_id, state, parts, reason from message
    where client_id = $1 and label = $2 and exists (select from untold) limit $3 + 1
), found as (
    select sms_type, queue_id, state, coalesce(report_reason(state, reason), '') as reason, count(*) as messages,
           sum(parts)::bigint as parts
    from (select * from looked_at limit $3) l
    where (accepted_at at time zone 'UTC')::date in (select day from untold)
      and message_id >= (select counted_from from report_start)
    group by 1, 2, 3, 4
)
select (select count(*) from looked_at) as looked_at, f.sms_type, f.state, f.reason, f.messages, f.parts,
       (select q.operators[1] from queue q where q.queue_id = f.queue_id) as operator_id
from (select 1) one left join found f on true;

-- name: is_beyond
-- Whether label $2 of client $1 (null = of any) has messages, accepted from $3 to before $4, on a day on which it is not
-- told apart from others; null where nobody knows. Up to $5 messages of the label are looked at; where there are more of a
-- client, up to $5 of whatever label that came on such days, by their ids, with $6 seconds to either side (search.id_range).
with untold as materialized (
    select distinct k.client_id, c.day
    from (select client_id from client where $1::integer is null or client_id = $1) n
    cross join lateral (
        select * from report_key o where o.client_id = n.client_id and o.label = '' and o.other offset 0
    ) k
    cross join lateral (
        select (o.began at time zone 'UTC')::date as day from report_count o
        where o.key_id = k.key_id and o.span = 2 and o.began > $3::timestamptz - interval '1 day' and o.began < $4
        offset 0
    ) c
    left join lateral (
        select true as told_apart from report_label o
        where o.day = c.day and o.client_id = k.client_id and o.label = $2 limit 1
    ) l on true
    where l.told_apart is null
), by_label as materialized (
    select n.client_id, l.looked_at, l.found
    from (select distinct client_id from untold) n
    cross join lateral (
        select count(*) as looked_at,
               bool_or(m.accepted_at >= $3 and m.accepted_at < $4
                       and m.message_id >= (select counted_from from report_start)
                       and (m.client_id, (m.accepted_at at time zone 'UTC')::date) in (select client_id, day from untold)
               ) as found
        from (select client_id, message_id, accepted_at from message o
              where o.client_id = n.client_id and o.label = $2 limit $5::integer + 1) m
    ) l
), by_id as materialized (
    select m.* from by_label l
    join untold u on u.client_id = l.client_id
    cross join lateral (
        select message_id_at(greatest($3, u.day::timestamp at time zone 'UTC') - make_interval(secs => $6)) as low,
               message_id_at(least($4, (u.day + 1)::timestamp at time zone 'UTC') + make_interval(secs => $6)) as high
        offset 0
    ) b
    cross join lateral (
        select client_id, message_id, accepted_at, label from message o
        where (o.client_id, o.message_id) >= (u.client_id, b.low) and (o.client_id, o.message_id) < (u.client_id, b.high)
        order by o.client_id, o.message_id limit $5 + 1
    ) m
    where l.looked_at > $5 and not l.found
    limit $5 + 1
)
select case when exists (select from by_label where found)
              or exists (select from by_id where label = $2 and accepted_at >= $3 and accepted_at < $4
                         and message_id >= (select counted_from from report_start)
                         and (client_id, (accepted_at at time zone 'UTC')::date) in (select client_id, day from untold))
            then true
            when (select count(*) from by_id) <= $5 then false end;

-- name: label_due_of
-- How many messages of a label are due at a later minute, and the last one.
select coalesce(sum(messages), 0)::bigint as messages, max(due) as last
from report_due where client_id = $1 and label = $2 and due > now() and messages > 0;

-- name: label_due_held
-- How many of these are held: of a type and on a route whose first operator $4 and $5 name, hold by hold, null = any. $3:
-- the keys that messages with the label wait under. What is staged for those minutes is looked at, and nothing else
-- however much waits: by the index of each table, in the order that is written here.
select count(*)
from report_due d
cross join lateral (
    select s.message_id, s.queue_id from staged s
    where s.due >= d.due and s.due < d.due + interval '1 minute'
      and s.client_id = $1 and s.label_key = any($3::integer[])
    offset 0
) s
cross join lateral (
    select m.sms_type, m.state, m.label, m.scheduled_at from message m
    where m.client_id = $1 and m.message_id = s.message_id offset 0
) m
where m.label = $2 and report_due(m.state, m.label, m.scheduled_at) = d.due and d.client_id = $1 and d.label = $2 and d.due > now() and d.messages > 0
  and exists (select from unnest($4::smallint[], $5::integer[]) as h (sms_type, operator_id)
              where (h.sms_type is null or h.sms_type = m.sms_type)
                and (h.operator_id is null
                     or h.operator_id = (select q.operators[1] from queue q where q.queue_id = s.queue_id)));

-- name: label_pace_of
-- How many messages of a label were submitted within the last minutes, or since the last hold on some of it was released;
-- and in how many seconds, from the first of them on where there were none before.
with since as (
    select greatest(now() - interval '3 minutes', max(h.released_at)) as at
    from hold h
    where h.released_at > now() - interval '3 minutes'
      and (h.client_id is null or h.client_id = $1) and (h.label is null or h.label = $2)
)
select greatest(coalesce(sum(p.messages), 0), 0)::bigint as messages,
       extract(epoch from now() - case when exists (select from report_pace o where o.client_id = $1 and o.label = $2
                                                    and o.minute < date_trunc('second', s.at))
                                       then s.at else min(p.minute) end)::double precision as seconds
from since s
left join report_pace p on p.client_id = $1 and p.label = $2 and p.minute >= date_trunc('second', s.at)
group by s.at;

-- part: messages
-- How many messages a row counts. A state is below zero while what a message became is counted, and it itself not yet.
greatest(m0, 0) + greatest(m1, 0) + greatest(m2, 0) + greatest(m3, 0) + greatest(m4, 0) + greatest(m5, 0)
+ greatest(m6, 0) + greatest(m7, 0) + greatest(m8, 0)

-- name: labels_on
-- The labels of a client (null = of all) that were told apart on the day $2 and had messages then, those that had most of
-- them first, $3 at most.
select l.client_id, l.label
from report_label l
cross join lateral (
    select key_id from report_key n where n.client_id = l.client_id and n.label = l.label offset 0
) k
cross join lateral (
    select
{reports.messages}
    as messages
    from report_count n
    where n.key_id = k.key_id and n.span = 2 and n.began = $2::date::timestamp at time zone 'UTC' offset 0
) c
where l.day = $2 and ($1::integer is null or l.client_id = $1)
group by 1, 2 having sum(c.messages) > 0 order by sum(c.messages) desc, 1, 2 limit $3;

-- name: label_totals
-- The messages since $3 of labels ($1 client, $2 label), with their places in the question.
select g.ord::integer - 1 as place, sum(c.messages)::bigint as messages, sum(c.delivered)::bigint as delivered,
       sum(c.failed)::bigint as failed
from unnest($1::integer[], $2::text[]) with ordinality as g (client_id, label, ord)
cross join lateral (
    select key_id from report_key n where n.client_id = g.client_id and n.label = g.label offset 0
) k
cross join lateral (
    select
{reports.messages}
           as messages, greatest(m2, 0) as delivered,
           greatest(m3, 0) + greatest(m4, 0) + greatest(m5, 0) + greatest(m7, 0) + greatest(m8, 0) as failed
    from report_count n where n.key_id = k.key_id and n.span = 2 and n.began >= $3 offset 0
) c
group by 1;
