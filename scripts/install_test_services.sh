#!/usr/bin/env bash
# Install what some tests run (the servers mosquitto and InfluxDB 1.x, the compiler gcc, the browser Chromium, Node.js
# with npm, Java for Spark; systemd-nspawn and sshd for boards, qemu and a cross compiler for other processors),
# where that can be done without a question. Whatever is missing afterwards only skips its tests: this script says so and
# ends well.
set -euo pipefail

missing_packages() {
    PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v mosquitto >/dev/null || echo mosquitto
    PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v influxd >/dev/null || echo influxdb
    command -v gcc >/dev/null || echo gcc
    command -v chromium >/dev/null || echo chromium
    command -v node >/dev/null || echo nodejs
    command -v npm >/dev/null || echo npm
    command -v java >/dev/null || echo default-jre-headless
    command -v systemd-nspawn >/dev/null || echo systemd-container
    command -v udevadm >/dev/null || echo udev
    PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v sshd >/dev/null || echo openssh-server
    command -v sudo >/dev/null || echo sudo
    PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v ip >/dev/null || echo iproute2
    command -v qemu-aarch64-static >/dev/null || echo qemu-user-static
    command -v arm-linux-gnueabihf-gcc >/dev/null || echo gcc-arm-linux-gnueabihf
    [ -e /usr/arm-linux-gnueabihf/include/stdio.h ] || echo libc6-dev-armhf-cross # the compiler only recommends it
    [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || echo debian-archive-keyring
}

go_on_without() {
    echo "note: $1; the tests that need $(missing_packages | paste -sd ' ') will be skipped" >&2
    exit 0
}

# Installing a server on Debian also starts it; this policy file asks the package not to. An existing one stays.
policy=/usr/sbin/policy-rc.d
forbid_starting() {
    [ -e "$policy" ] && return
    trap 'as_root rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
}

install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 \
        install --yes --no-install-recommends "$@" >/dev/null 2>&1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo --non-interactive "$@"; fi
}

[ -n "$(missing_packages)" ] || exit 0
command -v apt-get >/dev/null || go_on_without "this is neither Debian nor Ubuntu"
as_root true 2>/dev/null || go_on_without "installing needs root, or sudo that asks for no password"

forbid_starting
echo "installing $(missing_packages | paste -sd ' ') for the tests, not started as services" >&2
as_root apt-get -qq -o DPkg::Lock::Timeout=120 update >/dev/null 2>&1 || echo "note: apt-get update failed" >&2
mapfile -t packages < <(missing_packages)
install "${packages[@]}" || for package in "${packages[@]}"; do # one that is missing must not keep the others away
    install "$package" || echo "note: apt-get could not install $package" >&2
done
[ -z "$(missing_packages)" ] || go_on_without "not everything could be installed"
