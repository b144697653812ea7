#!/usr/bin/env bash
# Makes sure that a Chromium is there for the tests of the report: installs the distribution's own on Debian or Ubuntu as
# root. With --optional a machine without one is no error: those tests are skipped there.
set -euo pipefail

for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
if [[ ${1:-} == --optional ]]; then
    echo "chromium: not there; tests of the report in a browser are skipped (to get it: apt-get install chromium)"
    exit 0
fi
if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null 2>&1; then
    echo "chromium: not there, and only root on Debian or Ubuntu can install it here" >&2
    exit 1
fi
log=/var/log/sandbox-chromium-install.log
echo "chromium: installing the distribution's own (the output goes to $log)"
if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium; } >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    echo "chromium: could not be installed; the last lines of $log are above" >&2
    exit 1
fi
