#!/bin/sh
# Starts the Postgres of an export: loads the sample at the first start, and lets everybody in who reaches its socket or
# its network.
set -eu
state=/var/lib/sandbox data=/var/lib/sandbox/exported
if [ ! -s "$data/PG_VERSION" ]; then
    rm -rf "$data" "$state/new"
    initdb --pgdata="$state/new" --username=sandbox --auth=trust --encoding=UTF8 --locale-provider=builtin --locale=C.UTF-8 --no-sync
    echo 'host all all all trust' >>"$state/new/pg_hba.conf"
    pg_ctl -D "$state/new" -w -o "-c listen_addresses='' -c unix_socket_directories=/tmp -c fsync=off" start
    createdb -h /tmp -U sandbox sample
    pg_restore -h /tmp -U sandbox -d sample --no-owner --exit-on-error /sandbox/load/sample.dump
    pg_ctl -D "$state/new" -w stop
    mv "$state/new" "$data"
fi
rm -f "$data/postmaster.pid"
exec postgres -D "$data" -c listen_addresses="${SANDBOX_LISTEN:-}" -c unix_socket_directories=/run/sandbox/postgres \
    -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c TimeZone=UTC -c log_timezone=UTC -c jit=off
