#!/usr/bin/env bash
# Makes sure that docker compose 2 and the devcontainer CLI are there for the tests of what `sandbox export` writes: Debian 13's
# package, taken out of the base image's archive, and npm's. They lie in .make/openers, and nothing is installed on this machine.
# With --optional a machine that cannot have them is no error: those tests are skipped there.
set -euo pipefail
cd "$(dirname "$0")/../.."

BASE=sandbox/base:trixie
CLI=@devcontainers/cli@0.89.0
place=$PWD/.make/openers
compose=$place/docker-compose
devcontainer=$place/node_modules/.bin/devcontainer
if "$compose" version >/dev/null 2>&1 && "$devcontainer" --version >/dev/null 2>&1; then exit 0; fi
if [[ ${1:-} == --optional ]]; then
    echo "openers: docker compose and the devcontainer CLI are not in .make/openers; their tests are skipped (to get them: $0)"
    exit 0
fi
mkdir -p "$place"
log=$place/install.log
echo "openers: getting docker compose and the devcontainer CLI (the output goes to $log)"
get() {
    docker run --rm "$BASE" sh -c 'apt-get -qq update >&2 && cd /tmp && apt-get -qq download docker-compose >&2 &&
        dpkg-deb --fsys-tarfile docker-compose_*.deb' | tar -xO ./usr/libexec/docker/cli-plugins/docker-compose >"$compose.new" &&
        chmod +x "$compose.new" && mv "$compose.new" "$compose" &&
        npm install --silent --no-audit --no-fund --prefix "$place" "$CLI"
}
if ! get >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    echo "openers: could not be had; the last lines of $log are above" >&2
    exit 1
fi
