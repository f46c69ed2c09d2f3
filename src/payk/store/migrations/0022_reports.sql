-- Reports: counts of messages in buckets of 15 minutes, kept exact by triggers, whatever changes a message.
-- Runs with search_path = payk, inside one transaction. Touches no row of a large table. Whatever ran before goes on with
-- the schema of 0021: its changes are counted too, which is why triggers count and not the verbs.

-- Why a message failed, in words of payk.domain.failure; null while it did not, or where nobody knows.
alter table message add column reason text;

------------------------------------------------------------------------------------------------------------------------
-- What a message counts as. Times in bins of a logarithmic histogram: bin b holds 1.1^b to 1.1^(b+1) seconds, so its
-- middle is less than 5 % from all of it (payk.domain.latency).

create function report_bucket(accepted_at timestamptz) returns timestamptz language sql immutable parallel safe
return date_bin('15 minutes', accepted_at, '2000-01-01 00:00:00+00');

create function report_bin(began timestamptz, ended timestamptz) returns smallint language sql immutable parallel safe
return floor(ln(greatest(least(extract(epoch from ended - began)::double precision, 1e8), 0.001))
             / ln(1.1::double precision))::smallint;

-- From the moment it might be sent to its submit.
create function report_submit_bin(accepted_at timestamptz, scheduled_at timestamptz, submitted_at timestamptz)
returns smallint language sql immutable parallel safe
return case when submitted_at is not null then report_bin(greatest(accepted_at, scheduled_at), submitted_at) end;

create function report_deliver_bin(state smallint, submitted_at timestamptz, done_at timestamptz)
returns smallint language sql immutable parallel safe
return case when state = 2 and submitted_at is not null then report_bin(submitted_at, done_at) end;

create function report_reason(state smallint, reason text) returns text language sql immutable parallel safe
return case when state in (3, 4, 5, 7, 8) then coalesce(reason, '') end;

-- When a labelled message that is still to be sent is due, by minutes.
create function report_due(state smallint, label text, scheduled_at timestamptz)
returns timestamptz language sql immutable parallel safe
return case when state = 0 and label is not null then date_bin('1 minute', scheduled_at, '2000-01-01 00:00:00+00') end;

------------------------------------------------------------------------------------------------------------------------
-- What changed since a duty last folded it: written by the transaction that changed it, taken away by the one that adds
-- it up. No order of ids or times is relied on.

create table report_delta (
    bucket       timestamptz not null,
    client_id    integer not null,
    queue_id     integer not null,
    operator_id  integer,
    sms_type     smallint not null,
    state        smallint not null,
    submit_bin   smallint,
    deliver_bin  smallint,
    sender       text not null,
    label        text,
    reason       text,
    due          timestamptz,
    messages     bigint not null,
    parts        bigint not null,
    price        bigint not null              -- in 1/10,000 of the currency unit
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

-- Messages below this id are not counted yet; a duty counts them, from the newest back, and their changes are not
-- written above until it did. 0 = all are counted.
create table report_start (
    one           boolean primary key default true check (one),
    counted_from  bigint not null
);

create function report_insert() returns trigger language plpgsql as $$
declare
    first bigint;
begin
    select counted_from into first from report_start;
    if first > 0 and exists (select from new_rows where message_id < first) then
        -- Whoever counts old messages waits for this transaction, or this one for it.
        perform pg_advisory_xact_lock_shared(hashtext('payk.report_start'));
        select counted_from into first from report_start;
    end if;
    insert into report_delta (bucket, client_id, queue_id, operator_id, sms_type, state, submit_bin, deliver_bin, sender,
                              label, reason, due, messages, parts, price)
    select report_bucket(accepted_at), client_id, queue_id, operator_id, sms_type, state,
           report_submit_bin(accepted_at, scheduled_at, submitted_at), report_deliver_bin(state, submitted_at, done_at),
           sender, label, report_reason(state, reason), report_due(state, label, scheduled_at),
           count(*), sum(parts), coalesce(sum(charged) filter (where charged_on is not null), 0)
    from new_rows where message_id >= first
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12;
    return null;
end
$$;

create function report_update() returns trigger language plpgsql as $$
declare
    first bigint;
begin
    select counted_from into first from report_start;
    if first > 0 and exists (select from new_rows where message_id < first) then
        perform pg_advisory_xact_lock_shared(hashtext('payk.report_start'));
        select counted_from into first from report_start;
    end if;
    insert into report_delta (bucket, client_id, queue_id, operator_id, sms_type, state, submit_bin, deliver_bin, sender,
                              label, reason, due, messages, parts, price)
    select report_bucket(accepted_at), client_id, queue_id, operator_id, sms_type, state,
           report_submit_bin(accepted_at, scheduled_at, submitted_at), report_deliver_bin(state, submitted_at, done_at),
           sender, label, report_reason(state, reason), report_due(state, label, scheduled_at),
           sum(n), sum(n * parts), coalesce(sum(n * charged) filter (where charged_on is not null), 0)
    from (
        select 1 as n, message_id, accepted_at, scheduled_at, submitted_at, done_at, client_id, queue_id, operator_id,
               sms_type, state, parts, sender, label, reason, charged_on, charged
        from new_rows
        union all
        select -1, message_id, accepted_at, scheduled_at, submitted_at, done_at, client_id, queue_id, operator_id,
               sms_type, state, parts, sender, label, reason, charged_on, charged
        from old_rows
    ) r
    where message_id >= first
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
    having sum(n) <> 0 or sum(n * parts) <> 0 or coalesce(sum(n * charged) filter (where charged_on is not null), 0) <> 0;
    return null;
end
$$;

-- Waits for whatever is writing messages just now: what it wrote has an id below the next one, or is counted.
create trigger counts_new after insert on message
    referencing new table as new_rows for each statement execute function report_insert();
create trigger counts_changed after update on message
    referencing old table as old_rows new table as new_rows for each statement execute function report_update();
insert into report_start (counted_from)
select case when exists (select from message) then last_value + 1 else 0 end from message_id;

------------------------------------------------------------------------------------------------------------------------
-- The counts: by key, in buckets of 15 minutes (span 0), hours (1) and days (2) of UTC.

-- operator_id 0: no operator has it yet; label '': it has none.
create table report_key (
    key_id       integer generated always as identity primary key,
    client_id    integer not null,
    queue_id     integer not null,
    operator_id  integer not null,
    sms_type     smallint not null,
    sender       text not null,
    label        text not null,
    other        boolean not null,            -- stands for labels beyond those of their day
    unique (client_id, label, queue_id, operator_id, sms_type, sender, other)
);

-- Messages and parts by MessageState; price in 1/10,000 of the currency unit. Times are whole histograms, which add up as
-- numbers do: each bin has twelve decimal digits of its own (payk.domain.latency). A row for each bin would be twenty.
create table report_count (
    span    smallint not null,
    began   timestamptz not null,
    key_id  integer not null,
    m0 integer not null, m1 integer not null, m2 integer not null, m3 integer not null, m4 integer not null,
    m5 integer not null, m6 integer not null, m7 integer not null, m8 integer not null,
    p0 integer not null, p1 integer not null, p2 integer not null, p3 integer not null, p4 integer not null,
    p5 integer not null, p6 integer not null, p7 integer not null, p8 integer not null,
    price   bigint not null,
    submit_times   numeric not null,          -- from when they might go to their submit
    deliver_times  numeric not null,          -- from that until Delivered
    primary key (span, began, key_id)
) with (fillfactor = 50);
create index report_count_key on report_count (key_id, span, began);

create table report_failure (
    span      smallint not null,
    began     timestamptz not null,
    key_id    integer not null,
    state     smallint not null,
    reason    text not null,
    messages  integer not null,
    primary key (span, began, key_id, state, reason)
) with (fillfactor = 70);

create index report_failure_key on report_failure (key_id, span, began);

-- Labelled messages that are still to be sent, by the minute they are due; and how many left the queue, by minutes.
create table report_due (
    client_id  integer not null,
    label      text not null,
    due        timestamptz not null,
    messages   integer not null,
    primary key (client_id, label, due)
) with (fillfactor = 70);
create table report_pace (
    client_id  integer not null,
    label      text not null,
    minute     timestamptz not null,
    messages   integer not null,
    primary key (client_id, label, minute)
) with (fillfactor = 70);
create index report_pace_minute on report_pace (minute);

-- Labels that are told apart, by days of UTC; and how many these are, of each client and (client_id 0) of all.
create table report_label (
    day        date not null,
    client_id  integer not null,
    label      text not null,
    primary key (day, client_id, label)
);
create table report_label_count (
    day        date not null,
    client_id  integer not null,
    labels     integer not null,
    primary key (day, client_id)
);
