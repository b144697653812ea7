#!/usr/bin/env bash
# Makes sure that Java is there for the tests of Spark as a source: installs the distribution's own on Debian or Ubuntu as root.
# With --optional a machine without it is no error: those tests are skipped there.
set -euo pipefail

if java -version >/dev/null 2>&1; then exit 0; fi
if [[ ${1:-} == --optional ]]; then
    echo "java: not there; tests of Spark are skipped (to get it: apt-get install openjdk-17-jre-headless)"
    exit 0
fi
if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null 2>&1; then
    echo "java: not there, and only root on Debian or Ubuntu can install it here" >&2
    exit 1
fi
log=/var/log/sandbox-java-install.log
echo "java: installing the distribution's own (the output goes to $log)"
if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends default-jre-headless; } >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    echo "java: could not be installed; the last lines of $log are above" >&2
    exit 1
fi
