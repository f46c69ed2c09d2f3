-- name: durability
-- What a COMMIT waits for. Whether a standby is synchronous only a role with the right to see it is told: null then.
-- Programs that make backups are no standbys.
select current_setting('fsync') as fsync, current_setting('full_page_writes') as full_page_writes,
       current_setting('synchronous_commit') as synchronous_commit,
       current_setting('synchronous_standby_names') as synchronous_standby_names,
       count(r.pid) as standbys, bool_or(r.sync_state in ('sync', 'quorum')) as synchronous
from (select 1) as one
left join pg_stat_replication r on coalesce(r.application_name, '') not in ('pg_receivewal', 'pg_basebackup');

-- name: encryption
-- Whether this connection is encrypted, and whether both its ends are on one host.
select coalesce(s.ssl, false) as ssl, s.version,
       inet_client_addr() is null or inet_client_addr() = inet_server_addr() as here
from (select 1) as one left join pg_stat_ssl s on s.pid = pg_backend_pid();
