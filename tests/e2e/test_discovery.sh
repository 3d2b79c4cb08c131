#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Discovery against a real D-Bus and a real Avahi daemon, both private: own namespaces for mounts, network and processes.
# Needs root (77, skipped, without). DISCOVERY_MAIN names the program; else it is found beside EARTHSHINE.
set -u

program=${DISCOVERY_MAIN:-$(dirname "${EARTHSHINE:-/nowhere/earthshine}")/tests/discovery_main}
if [ "${IN_NAMESPACE:-}" = "" ]; then
    for need in dbus-daemon avahi-daemon avahi-browse unshare ip; do
        command -v $need >/dev/null || { echo "skipped: no $need"; exit 77; }
    done
    [ -x "$program" ] || { echo "skipped: no program $program"; exit 77; }
    unshare -mnpf --mount-proc true 2>/dev/null || { echo "skipped: may not make namespaces"; exit 77; }
    exec env IN_NAMESPACE=1 DISCOVERY_MAIN="$program" unshare -mnpf --mount-proc --kill-child "$0"
fi

mount -t tmpfs tmpfs /run && mkdir -p /run/dbus /run/avahi-daemon || exit 77
ip link set lo up multicast on && ip route add 224.0.0.0/4 dev lo || exit 77
cat >/run/avahi.conf <<'CONF'
[server]
host-name=testhost
use-ipv4=yes
use-ipv6=no
allow-interfaces=lo
[publish]
publish-workstation=no
CONF
log=/run/log

fail() { echo "FAILED: $1"; cat $log /run/avahi.log; exit 1; }
log_lines() { grep -c "$1" $log; }
start_bus() { rm -f /run/dbus/system_bus_socket; dbus-daemon --system --nofork --nopidfile & bus=$!; wait_for "the bus" test -S /run/dbus/system_bus_socket; }
start_avahi() { avahi-daemon -f /run/avahi.conf --no-drop-root --no-chroot --no-rlimits >/run/avahi.log 2>&1 & avahi=$!; }
stop() { kill "$1"; wait "$1"; }
# Until the command succeeds; half a minute at most.
wait_for() {
    what=$1; shift
    for _ in $(seq 150); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.2
    done
    fail "$what"
}
listed() { avahi-browse -rpt _nvstream._tcp 2>/dev/null | grep "^=;lo;IPv4;$1;.*;testhost.local;127.0.0.1;$2;"; }
not_listed() { avahi-browse -pt _nvstream._tcp >/run/browse 2>/dev/null && ! grep -q ";$1;" /run/browse; }

# The host starts first: without a bus there is one line and it goes on.
"$program" desk 47989 2>$log &
host=$!
wait_for "one line without a daemon" grep -q "Avahi" $log
grep -q "built without Avahi" $log && { echo "skipped: built without Avahi"; exit 77; }
start_bus
start_avahi
wait_for "announced when the daemon comes" listed desk 47989
listed desk 47989 | grep -q ';$' || listed desk 47989 | grep -q ';""$' || fail "the text record is not empty: $(listed desk 47989)"

kill -9 $avahi; wait $avahi 2>/dev/null
rm -f /run/avahi-daemon/pid
start_avahi
wait_for "announced again after the daemon was killed" listed desk 47989
stop $avahi
start_avahi
wait_for "announced again after the daemon was restarted" listed desk 47989

# A second host of the same name gets another one.
"$program" desk 48989 2>/run/log2 &
second=$!
wait_for "another name after a collision" listed 'desk\\032\\0352' 48989
stop $second
wait_for "the second one is gone" not_listed 'desk\032\0352'
listed desk 47989 >/dev/null || fail "the first one is still there"

# The whole bus goes and comes back.
stop $avahi
stop $bus
kill -0 $host || fail "the host went with the bus"
start_bus
start_avahi
wait_for "announced again after the bus was restarted" listed desk 47989

kill $host
wait $host || fail "exit code of the host"
wait_for "gone after the end" not_listed desk
[ "$(log_lines 'no Avahi daemon')" -le 5 ] || fail "too many lines"
cat $log
echo "passed"
