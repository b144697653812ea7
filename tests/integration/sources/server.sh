#!/usr/bin/env bash
# Makes sure that the programs of a Postgres server are there for the tests of it as a source: installs the distribution's own on
# Debian or Ubuntu as root. With --optional a machine without them is no error: those tests are skipped there.
set -euo pipefail

if command -v initdb >/dev/null 2>&1 || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then exit 0; fi
if [[ ${1:-} == --optional ]]; then
    echo "postgres: not there; tests of it as a source are skipped (to get it: apt-get install postgresql)"
    exit 0
fi
if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null 2>&1; then
    echo "postgres: not there, and only root on Debian or Ubuntu can install it here" >&2
    exit 1
fi
log=/var/log/sandbox-postgres-install.log
echo "postgres: installing the distribution's own (the output goes to $log)"
mkdir -p /etc/postgresql-common/createcluster.d
echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/sandbox.conf # no server of the machine's own
if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql; } >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    echo "postgres: could not be installed; the last lines of $log are above" >&2
    exit 1
fi
