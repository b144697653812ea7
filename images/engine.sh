#!/usr/bin/env bash
# Makes sure that a Docker Engine answers: uses the one that does, starts the one that is installed, or installs the
# distribution's own on Debian or Ubuntu as root. Says what it did in a line or two.
#
#   images/engine.sh              exit status 1 where no engine can be had
#   images/engine.sh --optional   exit status 0 with a sentence instead
#
# SANDBOX_RUNTIME=local means that no engine is wanted: nothing is done.
set -euo pipefail

WAIT_SECONDS=60
LOG=/var/log/sandbox-dockerd.log
APT_LOG=/var/log/sandbox-engine-install.log
optional=no
started=  # the process id of a dockerd that was started here

say() { printf 'engine: %s\n' "$*"; }

give_up() {  # message, hint
    if [[ $optional == yes ]]; then
        say "$1; going on without one"
        exit 0
    fi
    printf 'engine: %s\nhint: %s\n' "$1" "$2" >&2
    exit 1
}

answers() { timeout 10 docker version --format '{{.Server.Version}} (API {{.Server.APIVersion}})' 2>/dev/null; }

have() { command -v "$1" >/dev/null 2>&1; }

as_root() { [[ $(id -u) == 0 ]]; }

# Where the engine is somewhere else than at this machine's usual socket, starting a local one would not help.
elsewhere() {
    [[ -n ${DOCKER_HOST:-} && ${DOCKER_HOST} != unix:///var/run/docker.sock && ${DOCKER_HOST} != unix:///run/docker.sock ]]
}

# shellcheck source=/dev/null
apt_family() {
    [[ -r /etc/os-release ]] && have apt-get && (. /etc/os-release && [[ " ${ID:-} ${ID_LIKE:-} " =~ \ (debian|ubuntu)\  ]])
}

install_engine() {
    say "installing the distribution's docker.io (the output goes to $APT_LOG)"
    local packages=(docker.io iptables)
    {
        apt-get update &&
            # From Debian 13 on the command is a package of its own.
            if apt-cache show docker-cli >/dev/null 2>&1; then packages+=(docker-cli); fi &&
            # RUNLEVEL=1 keeps the package's SysV script from starting what this script is about to start.
            RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}"
    } >"$APT_LOG" 2>&1 </dev/null && return
    tail -n 20 "$APT_LOG" >&2
    give_up "docker.io could not be installed; the last lines of $APT_LOG are above" \
        "check that this machine reaches its Debian archive (apt-get update), or work without: export SANDBOX_RUNTIME=local"
}

# A process that runs under this name, by its pid file; a pid that something else has by now does not count.
lives() {  # pid file, name
    local pid
    pid=$(cat "$1" 2>/dev/null) && [[ -n $pid ]] && [[ $(cat "/proc/$pid/comm" 2>/dev/null) == "$2" ]]
}

# What a killed dockerd leaves: a pid file and a containerd of its own, with which the next one will not start.
clear_leftovers() {
    lives /var/run/docker.pid dockerd && return
    local containerd=/var/run/docker/containerd/containerd.pid
    if lives "$containerd" containerd; then
        local pid
        pid=$(cat "$containerd")
        kill "$pid" 2>/dev/null || true
        for _ in {1..50}; do
            [[ -d /proc/$pid ]] || break
            sleep 0.1
        done
        kill -KILL "$pid" 2>/dev/null || true
    fi
    rm -f /var/run/docker.pid /var/run/docker.sock "$containerd"
}

start_engine() {
    if [[ -d /run/systemd/system ]] && have systemctl; then
        systemctl start docker >"$LOG" 2>&1 || true
        return
    fi
    lives /var/run/docker.pid dockerd && return  # on its way up
    clear_leftovers
    # Every descriptor is closed or redirected, so that whoever called this (make) can end.
    setsid nohup dockerd >"$LOG" 2>&1 </dev/null 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
    started=$!
    disown
}

wait_for_engine() {
    local until=$((SECONDS + WAIT_SECONDS)) version
    while ((SECONDS < until)); do
        if version=$(answers); then
            say "Docker Engine $version started; its log is $LOG"
            return
        fi
        if [[ -n $started && ! -d /proc/$started ]]; then break; fi
        sleep 0.2
    done
    tail -n 20 "$LOG" >&2 || true
    give_up "dockerd ended or does not answer within $WAIT_SECONDS s; the last lines of $LOG are above" \
        "repair what they say (often: no permission to mount or to use iptables), or work without: export SANDBOX_RUNTIME=local"
}

main() {
    if [[ ${1:-} == --optional ]]; then optional=yes; fi
    if [[ ${SANDBOX_RUNTIME:-} == local || ${SANDBOX_STACK_RUNTIME:-} == local ]]; then
        say "not needed: the local runtime is asked for (SANDBOX_RUNTIME=local)"
        return
    fi
    local version
    if have docker && version=$(answers); then
        say "Docker Engine $version answers"
        return
    fi
    if elsewhere; then
        give_up "nothing answers at DOCKER_HOST=$DOCKER_HOST" "start that engine, or unset DOCKER_HOST"
    fi
    if [[ -S /var/run/docker.sock && ! -w /var/run/docker.sock ]]; then
        give_up "you may not use the Docker Engine of this machine" \
            "join its group and log in again: sudo usermod -aG docker $(id -un)"
    fi
    if [[ $(uname -s) != Linux ]]; then
        give_up "no Docker Engine answers" \
            "start Docker Desktop (or install it), or work without: export SANDBOX_RUNTIME=local"
    fi
    if ! as_root; then
        give_up "no Docker Engine answers, and only root can start or install one" \
            "sudo $0, or work without: export SANDBOX_RUNTIME=local"
    fi
    # Two of these at once must not install or start two engines.
    exec 8>/run/sandbox-engine.lock
    flock 8
    if have docker && version=$(answers); then
        say "Docker Engine $version answers"
        return
    fi
    if ! have dockerd || ! have docker; then
        apt_family || give_up "no Docker Engine is installed, and this is neither Debian nor Ubuntu" \
            "install Docker Engine 20.10 or later by your distribution's packages, or work without: export SANDBOX_RUNTIME=local"
        install_engine
    fi
    start_engine
    wait_for_engine
}

main "$@"
