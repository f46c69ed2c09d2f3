-- Searching messages by time, and the statuses of messages that another centre sent before this one.
-- Runs with search_path = payk, inside one transaction. Whatever ran before goes on with the schema of 0010: it knows
-- nothing of either. Touches no large table.

-- About the id from which on messages were accepted at `moment` or later: ids grow with time, give or take what is stored
-- at the same instant. Some thirty look-ups by key, however many messages there are.
create function message_id_at(moment timestamptz) returns bigint
language plpgsql stable as $$
declare
    low   bigint := 0;
    high  bigint;
    found record;
begin
    select last_value + 1 into high from message_id;
    while low < high loop
        -- The first message behind the middle says on which side of the moment it lies.
        select m.message_id, m.accepted_at into found
        from message m where m.message_id >= (low + high) / 2 order by m.message_id limit 1;
        if found.message_id is null or found.accepted_at >= moment then
            high := (low + high) / 2;
        else
            low := least(found.message_id + 1, high);
        end if;
    end loop;
    return low;
end
$$;

-- The first id that this centre gave away, or will; those below may be another one's.
create table first_message_id (
    one         boolean primary key default true check (one),
    message_id  bigint not null
);
-- Where some were given away already the first of them that there is still.
insert into first_message_id (message_id)
select coalesce((select min(message_id) from message), last_value) from message_id;

-- What became of messages that another centre sent; read-only, and without number, sender and text.
create table imported_message (
    message_id    bigint primary key,
    submitted_at  timestamptz not null,
    done_at       timestamptz,
    client_id     integer not null,
    state         smallint not null check (state between 0 and 8)
);
