#!/usr/bin/env bash
# Install, once, the packages that draw and check the dashboards in tests, as tests/grafana_ui/package-lock.json pins
# them. Without npm or the network this only skips those tests: the script says so and ends well.
set -euo pipefail
cd "$(dirname "$0")/../tests/grafana_ui"
stamp=node_modules/.installed

go_on_without() {
    echo "note: $1; the tests that draw the dashboards will be skipped" >&2
    exit 0
}

if [ -e "$stamp" ] && cmp -s package-lock.json "$stamp"; then exit 0; fi
command -v node >/dev/null && command -v npm >/dev/null || go_on_without "Node.js and npm are not installed"
[ "$(node -p 'parseInt(process.versions.node)')" -ge 18 ] || go_on_without "Node.js is older than version 18"
echo "installing Grafana's components for the tests into tests/grafana_ui/node_modules, once (half a minute)" >&2
# npm 9, which Debian 12 has, cannot read the lock file's overrides: a later one is asked to, of the same registry.
ci=(npm ci)
[ "$(npm --version | cut -d. -f1)" -ge 10 ] || ci=(npm exec --yes --package=npm@10.9.2 -- npm ci)
"${ci[@]}" --loglevel=error >/dev/null || go_on_without "npm could not install Grafana's components"
cp package-lock.json "$stamp"
