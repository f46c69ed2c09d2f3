-- Room on each page for the two versions that the way of a message leaves: at the operator, and final. Batches follow
-- each other in the order of ids, so all rows of a page change in one transaction, and nothing is cleared away for one
-- before the other. Where a page had no room, the row moved, and all its indexes were written anew: three in five did,
-- and took as much disk as the room does.
-- Runs with search_path = payk, inside one transaction. Partitions that are there keep the pages they have.

create or replace function ensure_partitions(id_span bigint default 10000000, ids_ahead integer default 2,
                                  days_ahead integer default 3, key_days integer default 6) returns integer
language plpgsql as $$
declare
    made   integer := 0;
    first  bigint;
    low    bigint;
    day    date;
    epoch  integer;
    name   text;
begin
    perform pg_advisory_xact_lock(hashtext('payk.partitions'));
    -- A table made apart and attached leaves readers and writers of the parent alone; `partition of` would wait for a
    -- long reader, and every insert would wait behind it.

    select last_value / id_span into first from message_id;
    for low in select i * id_span from generate_series(first, first + ids_ahead) i loop
        foreach name in array array['message', 'receipt'] loop
            if to_regclass(format('payk.%I', name || '_' || low)) is null then
                execute format('create table %I (like %I including all) with (fillfactor = %s)',
                               name || '_' || low, name, case name when 'message' then 38 else 100 end);
                execute format('alter table %I attach partition %I for values from (%s) to (%s)',
                               name, name || '_' || low, low, low + id_span);
                made := made + 1;
            end if;
        end loop;
    end loop;

    for day in select d::date from generate_series((now() at time zone 'utc')::date - 1,
                                                   (now() at time zone 'utc')::date + days_ahead, interval '1 day') d loop
        name := 'idempotency_' || to_char(day, 'YYYYMMDD');
        if to_regclass(format('payk.%I', name)) is null then
            execute format('create table %I (like idempotency including all)', name);
            execute format('alter table idempotency attach partition %I for values from (%L) to (%L)', name, day, day + 1);
            made := made + 1;
        end if;
    end loop;

    epoch := floor(extract(epoch from now()) / 86400)::integer / key_days;
    for low in select i * key_days from generate_series(epoch - 1, epoch + 1) i loop
        name := 'receipt_key_' || to_char(date '1970-01-01' + low::integer, 'YYYYMMDD');
        if to_regclass(format('payk.%I', name)) is null then
            execute format('create table %I (like receipt_key including all)', name);
            execute format('alter table receipt_key attach partition %I for values from (%L) to (%L)', name,
                           (date '1970-01-01' + low::integer)::timestamp at time zone 'utc',
                           (date '1970-01-01' + low::integer + key_days)::timestamp at time zone 'utc');
            made := made + 1;
        end if;
    end loop;
    return made;
end
$$;

do $$
declare
    ahead regclass;
begin
    for ahead in select inhrelid from pg_inherits where inhparent = 'message'::regclass loop
        execute format('alter table %s set (fillfactor = 38)', ahead);
    end loop;
end
$$;
