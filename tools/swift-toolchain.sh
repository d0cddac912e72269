#!/usr/bin/env bash
# Swift 6 for Linux: Debian trixie with its `swiftlang` package in a folder of its own, beside the system.
#
#   tools/swift-toolchain.sh install              installs it; at once when it is there
#   tools/swift-toolchain.sh run [-b HOST:INSIDE[:ro]]... COMMAND...
#                                                 runs a command in it, with these folders visible inside
#   tools/swift-toolchain.sh available            says whether there is a Swift here, or one could be installed
#   tools/swift-toolchain.sh remove               deletes it
#
# Exit code 3, with one line that says why, where it cannot be installed or run: not Linux, not root, no debootstrap, no
# package mirror. LOAM_SWIFT_ROOT names another folder than ~/.cache/loam/swift-trixie (3 GB).
#
# Mounts are made in a mount namespace of the command alone: they end with it, whatever happens, and never reach the host.
set -euo pipefail

# Where debootstrap and chroot lie, which not every root has on the path.
PATH=$PATH:/usr/sbin:/sbin
readonly UNAVAILABLE=3
readonly RELEASE=trixie
# Grows when the recipe below changes; an older installation is then made anew.
readonly RECIPE=1
readonly PACKAGES=(swiftlang libc6-dev libstdc++-14-dev git ca-certificates)

root=${LOAM_SWIFT_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/loam/swift-$RELEASE}
ready=$root/etc/loam-toolchain

unavailable() {
    echo "swift toolchain: $1" >&2
    exit "$UNAVAILABLE"
}

require_host() {
    [[ $(uname -s) == Linux ]] || unavailable "only made on Linux; use Xcode's Swift here"
    [[ $(id -u) == 0 ]] || unavailable "needs root, for chroot and mount"
    unshare --mount true 2>/dev/null || unavailable "this system allows no mount namespace (unshare --mount)"
}

is_installed() {
    [[ -f $ready && $(<"$ready") == "$RECIPE" ]]
}

# The mirror that this system itself installs from.
mirror() {
    # Through cat: awk stops at a list that is not there.
    { cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true; } \
        | awk '/^(URIs:|deb )/ { for (i = 2; i <= NF; i++) if ($i ~ /^https?:.*\/debian\/?$/ && !found++) print $i }'
}

# Runs a command inside `$1`; binds are read from the array `binds`.
binds=()
inside() {
    local where=$1
    shift
    # /proc holds what the Swift loader finds its own libraries by.
    LOAM_INSIDE=$where LOAM_BINDS="${binds[*]:-}" unshare --mount --propagation private bash -euc '
        mount -t proc proc "$LOAM_INSIDE/proc"
        for bind in $LOAM_BINDS; do
            IFS=: read -r from to mode <<<"$bind"
            mkdir -p "$LOAM_INSIDE$to"
            mount --bind "$from" "$LOAM_INSIDE$to"
            if [[ ${mode:-} == ro ]]; then mount -o remount,ro,bind "$LOAM_INSIDE$to"; fi
        done
        unset LOAM_BINDS
        exec chroot "$LOAM_INSIDE" "$@"' inside "$@"
}

install() {
    require_host
    mkdir -p "$(dirname "$root")"
    exec 9>"$root.lock"
    flock 9
    is_installed && return
    if ! command -v debootstrap >/dev/null; then
        { command -v apt-get && { apt-get install -y --no-install-recommends debootstrap \
            || { apt-get update && apt-get install -y --no-install-recommends debootstrap; }; }; } >/dev/null 2>&1 \
            || unavailable "debootstrap is not installed and apt-get cannot install it"
    fi
    local from log=$root.log part=$root.part
    from=$(mirror)
    [[ -n $from ]] || unavailable "no Debian mirror in /etc/apt"
    echo "swift toolchain: installing into $root (about 90 s, 3 GB; log in $log)" >&2
    rm -rf "$part"
    if ! fill "$from" "$part" >"$log" 2>&1; then
        tail -5 "$log" >&2
        rm -rf "$part"
        unavailable "Debian $RELEASE could not be installed; see $log"
    fi
    rm -rf "$root"
    mv "$part" "$root"
}

fill() {
    local from=$1 part=$2
    debootstrap --variant=minbase "$RELEASE" "$part" "$from" || return
    cp /etc/resolv.conf "$part/etc/resolv.conf" || return
    inside "$part" apt-get update || return
    inside "$part" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends "${PACKAGES[@]}" || return
    inside "$part" apt-get clean || return
    rm -rf "$part"/var/lib/apt/lists/* || return
    inside "$part" swiftc --version || return
    echo "$RECIPE" >"$part/etc/loam-toolchain"
}

# A Swift on the PATH serves as well.
available() {
    command -v swift >/dev/null && return
    require_host
    is_installed && return
    command -v debootstrap >/dev/null || command -v apt-get >/dev/null || unavailable "no debootstrap and no apt-get"
    [[ -n $(mirror) ]] || unavailable "no Debian mirror in /etc/apt"
}

run() {
    while [[ ${1:-} == -b ]]; do
        binds+=("$2")
        shift 2
    done
    [[ $# -gt 0 ]] || { echo "swift toolchain: run what?" >&2; exit 2; }
    require_host
    is_installed || unavailable "not installed: run tools/swift-toolchain.sh install"
    inside "$root" env -i HOME=/root PATH=/usr/bin:/bin:/usr/sbin:/sbin LANG=C.UTF-8 LC_ALL=C.UTF-8 \
        TERM="${TERM:-dumb}" "$@"
}

case ${1:-} in
    install) install ;;
    available) available ;;
    run) shift; run "$@" ;;
    remove) rm -rf --one-file-system "$root" "$root.part" "$root.lock" "$root.log" ;;
    *) sed -n '2,14s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
