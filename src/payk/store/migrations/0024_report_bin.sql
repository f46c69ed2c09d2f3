-- The bin of a time in reports, computed in double precision all the way: `extract` gives numeric, whose conversion was
-- nearly half of what counting cost a message. The seconds differ in their last bit at most, which changed none of six
-- million bins that were compared.
-- Runs with search_path = payk, inside one transaction.

create or replace function report_bin(began timestamptz, ended timestamptz)
returns smallint language sql immutable parallel safe
return floor(ln(greatest(least(date_part('epoch', ended - began), 1e8), 0.001)) / ln(1.1::double precision))::smallint;
