#!/usr/bin/env bash
# Makes sure that the programs of a MariaDB server are there for the tests of it as a source: installs the distribution's own on
# Debian or Ubuntu as root. With --optional a machine without them is no error: those tests are skipped there.
set -euo pipefail

if command -v mariadbd >/dev/null 2>&1 || [[ -x /usr/sbin/mariadbd ]]; then exit 0; fi
if [[ ${1:-} == --optional ]]; then
    echo "mariadb: not there; tests of it as a source are skipped (to get it: apt-get install mariadb-server)"
    exit 0
fi
if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null 2>&1; then
    echo "mariadb: not there, and only root on Debian or Ubuntu can install it here" >&2
    exit 1
fi
log=/var/log/sandbox-mariadb-install.log
echo "mariadb: installing the distribution's own (the output goes to $log)"
policy=/usr/sbin/policy-rc.d
[[ -e $policy ]] || { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && trap 'rm -f "$policy"' EXIT; } # no server of the machine's own
if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends mariadb-server; } >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    echo "mariadb: could not be installed; the last lines of $log are above" >&2
    exit 1
fi
