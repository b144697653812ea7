#!/usr/bin/env bash
# Makes the root file system of the base image from Debian's archive, as one tar file: the same packages give the same bytes.
#
#   images/base/rootfs.sh FILE
#
# Needs root on Debian or Ubuntu, and about a minute. Installs debootstrap where it is absent. Progress goes to stdout, one
# line a package and phase; what fails goes to stderr, with exit status 1.
set -euo pipefail

SUITE=trixie
PACKAGES=ca-certificates,python3,python3-pip,python3-venv,tzdata
SCRATCH=/var/tmp/sandbox-base

fail() {  # message, hint
    printf '%s\nhint: %s\n' "$1" "$2" >&2
    exit 1
}

# The archive that this machine uses already, which may be a mirror; nothing elsewhere: debootstrap knows Debian's own.
archive() {
    local uri=
    # shellcheck source=/dev/null
    if [[ $(. /etc/os-release && echo "${ID:-}") == debian ]]; then
        # shellcheck disable=SC2016
        uri=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' 'Created-By: Packages' 2>/dev/null |
            awk '$2 == "Debian" && $3 == "Debian" { print $1; exit }') || uri=
    fi
    echo "$uri"
}

need_debootstrap() {
    command -v debootstrap >/dev/null && [[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]] && return
    command -v apt-get >/dev/null ||
        fail "the base image is made with debootstrap, which is not installed" "install debootstrap, then try again"
    echo "installing debootstrap"
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends debootstrap debian-archive-keyring; } \
        >"$work/log" 2>&1 </dev/null && return
    tail -n 20 "$work/log" >&2
    fail "debootstrap could not be installed" "check that this machine reaches its package archive: apt-get update"
}

bootstrap() {
    local script=/usr/share/debootstrap/scripts/$SUITE
    [[ -e $script ]] || script=/usr/share/debootstrap/scripts/sid  # a debootstrap older than the suite
    # In a mount namespace of its own, so that an interrupted try leaves no mount behind.
    if ! unshare --mount debootstrap --variant=minbase --include="$PACKAGES" \
        --keyring=/usr/share/keyrings/debian-archive-keyring.gpg "$SUITE" "$root" "$(archive)" "$script" </dev/null 2>&1 |
        tee "$work/log"; then
        tail -n 20 "$work/log" "$root/debootstrap/debootstrap.log" >&2 2>/dev/null || true
        fail "debootstrap failed; its last lines are above" \
            "check that this machine reaches Debian's archive, and that $SCRATCH has 1 GB free"
    fi
}

# What a container does not need, and what differs from one try to the next.
trim() {
    rm -rf "$root"/var/cache/{apt,debconf,ldconfig}/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/tmp/* \
        "$root"/usr/share/{man,info,lintian,locale,bug}/* "$root"/var/lib/dpkg/*-old "$root"/var/lib/systemd/* \
        "$root"/etc/{hostname,machine-id,resolv.conf} "$root"/etc/{passwd,group,shadow,gshadow,subuid,subgid}- \
        "$root"/debootstrap
    find "$root/usr/share/doc" -mindepth 1 ! -type d ! -name copyright -delete
    find "$root/usr/share/doc" -mindepth 1 -type d -empty -delete
    sed -i -E 's/^([^:]*:[^:]*):[0-9]+:/\1:20000:/' "$root/etc/shadow"  # the day of the last change of a password
    find "$root/dev" -mindepth 1 -delete
}

main() {
    [[ $# == 1 ]] || fail "usage: rootfs.sh FILE" "name the tar file to make"
    [[ $(uname -s) == Linux && $(id -u) == 0 ]] ||
        fail "only root on Linux can make the base image from Debian's archive" "let this machine reach a container registry, or try again as root"
    mkdir -p "$SCRATCH"
    chmod 0700 "$SCRATCH"
    [[ -O $SCRATCH && ! -L $SCRATCH ]] || fail "$SCRATCH belongs to somebody else" "rm -rf $SCRATCH"
    exec 9>"$SCRATCH/lock"
    flock 9
    find "$SCRATCH" -mindepth 1 -maxdepth 1 -type d -exec rm -rf --one-file-system {} +  # of a try that was killed
    work=$(mktemp -d "$SCRATCH/try.XXXXXX")
    root=$work/root
    trap 'rm -rf --one-file-system "$work"' EXIT
    trap 'exit 130' INT TERM HUP
    mkdir -m 0755 "$root"
    need_debootstrap
    bootstrap
    echo "packing"
    # No file is younger than the archive's release, so the time of the try does not show.
    local released
    released=$(sed -n 's/^Date: //p' "$root"/var/lib/apt/lists/*_dists_"${SUITE}"_*Release | head -n 1)
    trim
    tar --create --directory "$root" --file "$1.part" --format gnu --sort name --numeric-owner \
        --mtime "${released:-2025-08-09}" --clamp-mtime .
    mv "$1.part" "$1"
}

main "$@"
