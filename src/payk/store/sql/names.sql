-- name: clients
-- Names of clients that begin with $1.
select name from client where starts_with(name, $1) order by name limit 100;

-- name: operators
-- Names of operators that begin with $1.
select name from operator where starts_with(name, $1) order by name limit 100;

-- name: links
-- Names of links that begin with $1.
select name from link where starts_with(name, $1) order by name limit 100;

-- name: routes
-- Numbers of routes that begin with $1.
select route_id::text from any_route where starts_with(route_id::text, $1) order by 1 limit 100;

-- name: senders
-- Names of senders of client $2 that begin with $1.
select s.name from sender s join client c using (client_id) where c.name = $2 and starts_with(s.name, $1)
order by s.name limit 100;

-- name: users
-- Names of users that begin with $1.
select name from user_account where starts_with(name, $1) order by name limit 100;

-- name: tokens
-- Names of tokens in force that begin with $1.
select name from service_token
where revoked_at is null and starts_with(name, $1) order by name limit 100;

-- name: labels
-- Labels of client $2 of this day and the one before that begin with $1.
select distinct label from report_label
where day in (current_date, current_date - 1) and client_id = (select client_id from client where name = $2)
  and starts_with(label, $1)
order by label limit 100;
