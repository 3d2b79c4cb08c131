#!/bin/bash
# Install what building, running and testing Earthshine needs on Debian 12. Idempotent; one installation.
# usage: packaging/deps.sh [--run|--test]     --run: build and run only; --test (default): also the tests
set -eu

build="build-essential cmake ninja-build pkg-config nasm
 libx264-dev libavcodec-dev libavutil-dev libffmpeg-nvenc-dev libisal-dev libevent-dev libenet-dev libjansson-dev libinih-dev
 libssl-dev libavahi-client-dev libxcb1-dev libxcb-shm0-dev libxcb-damage0-dev libxcb-xfixes0-dev
 libxcb-randr0-dev libxcb-sync-dev libxcb-xinput-dev libxcb-dpms0-dev libxcb-screensaver0-dev libxcb-xtest0-dev libxcb-xkb-dev libxau-dev libsystemd-dev
 libopus-dev libpulse-dev libevdev-dev"
session="xvfb xauth openssl openbox xterm fonts-dejavu-core xserver-xorg-core xserver-xorg-video-dummy"
tests="libx265-dev clang clang-format libclang-rt-14-dev libcmocka-dev python3 python3-selenium python3-openssl chromium chromium-driver
 ffmpeg nftables iproute2 dbus avahi-daemon avahi-utils x11-utils x11-xserver-utils xdotool xserver-xorg-core xserver-xorg-video-dummy curl git procps python3-dbusmock
 pulseaudio pulseaudio-utils pipewire pipewire-pulse wireplumber"

case "${1:---test}" in
--run) wanted="$build $session" ;;
--test) wanted="$build $session $tests" ;;
*)
    echo "usage: packaging/deps.sh [--run|--test]" >&2
    exit 2
    ;;
esac

missing=""
for package in $wanted; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

sudo=""
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "deps.sh: not root and no sudo; install these packages first:$missing" >&2
        exit 1
    }
    sudo=sudo
fi
echo "deps.sh: installing$missing"
log=$(mktemp)
install() {
    # shellcheck disable=SC2086
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing </dev/null >"$log" 2>&1
}
update() {
    $sudo apt-get update -qq
}
# A fresh image has no package lists, an old one such that name files the mirror no longer has.
[ -n "$(find /var/lib/apt/lists -name '*_Packages*' -print -quit 2>/dev/null)" ] || update
install || { update && install; } || {
    tail -20 "$log" >&2
    echo "deps.sh: apt-get failed; its whole output is in $log" >&2
    exit 1
}
rm -f "$log"
