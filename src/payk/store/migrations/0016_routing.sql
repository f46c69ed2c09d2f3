-- Routes with conditions besides the prefix, senders that some operators alone carry, and health by receipts.
-- Runs with search_path = payk, inside one transaction. Touches no large table. Whatever ran before goes on with the
-- schema of 0015: it knows the routes of the table route, by their prefix alone, and every sender everywhere.

-- Stands apart from route, where the version before takes a prefix for the whole of a route's identity. Its numbers
-- begin where those of route never come.
create table conditional_route (
    route_id   integer generated always as identity (start with 1000000000) primary key,
    prefix     text not null check (prefix ~ '^[0-9]{0,15}$'),
    client_id  integer references client,                  -- null = of any client
    sender     text check (length(sender) between 1 and 15),  -- null = any
    sms_type   smallint check (sms_type between 1 and 3),     -- null = any
    queue_id   integer not null references queue,
    enabled    boolean not null default true,
    options    jsonb not null default '{}',
    check (num_nonnulls(client_id, sender, sms_type) > 0)
);
create unique index conditional_route_conditions
    on conditional_route (prefix, client_id, lower(sender), sms_type) nulls not distinct;

-- Both kinds, as they are read.
create view any_route as
select route_id, prefix, null::text as client, null::integer as client_id, null::text as sender,
       null::smallint as sms_type, queue_id, enabled, options
from route
union all
select r.route_id, r.prefix, c.name, r.client_id, r.sender, r.sms_type, r.queue_id, r.enabled, r.options
from conditional_route r left join client c using (client_id);

-- The operators that carry a sender; empty = all of them.
alter table sender add column operators integer[] not null default '{}';

-- From which share of receipts that came in time an operator is well; 0 = they are not looked at.
alter table operator add column health_receipts double precision not null default 0;
alter table operator add column health_delay integer not null default 60;  -- seconds
