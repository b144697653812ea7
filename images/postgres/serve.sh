#!/bin/sh
# Starts the server on the data in /var/lib/sandbox, which it makes first where there is none. It ends by itself after
# SANDBOX_IDLE seconds without a client. The password of the role `sandbox` lies in /var/lib/sandbox/password.
set -eu
state=/var/lib/sandbox
data=$state/data
if [ ! -s "$data/PG_VERSION" ]; then
    rm -rf "$data" "$state/new"
    initdb --pgdata="$state/new" --username=sandbox --pwfile="$state/password" --auth=scram-sha-256 --encoding=UTF8 \
        --locale-provider=builtin --locale=C.UTF-8 --no-sync
    mv "$state/new" "$data"
    printf 'local all all scram-sha-256\nhost all all all scram-sha-256\n' >"$data/pg_hba.conf"
fi
rm -f "$data/postmaster.pid"
# What it holds can be loaded again, so it does not wait for the disk.
postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/run/sandbox/postgres -c fsync=off \
    -c synchronous_commit=off -c full_page_writes=off -c wal_level=minimal -c max_wal_senders=0 -c TimeZone=UTC \
    -c shared_buffers="${SANDBOX_BUFFERS:-128MB}" -c max_wal_size=2GB -c jit=off -c log_timezone=UTC &
server=$!
trap 'kill -INT $server 2>/dev/null || true' TERM INT
(
    idle=0 limit=${SANDBOX_IDLE:-0}
    every=$((limit < 120 ? (limit + 3) / 4 : 30))
    while [ "$limit" -gt 0 ] && sleep "$every"; do
        busy=$(printf '*:*:*:*:%s\n' "$(cat "$state/password")" >/tmp/pgpass && chmod 0600 /tmp/pgpass &&
            PGPASSFILE=/tmp/pgpass psql -h /run/sandbox/postgres -U sandbox -d postgres -Atc \
                "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()") ||
            continue
        if [ "$busy" = 0 ]; then idle=$((idle + every)); else idle=0; fi
        if [ "$idle" -ge "$limit" ]; then
            echo "no client for $idle seconds: stopping"
            kill -INT $server
            break
        fi
    done
) &
wait $server && status=0 || status=$?
if kill -0 $server 2>/dev/null; then wait $server && status=0 || status=$?; fi  # a signal ended the first wait
exit $status
