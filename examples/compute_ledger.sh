#!/usr/bin/env bash
# A compute ledger without hardware: compute_ledger.sh DIR [words of 'edgejoule agent bench-all']
#
# The models really run on this machine; the meter is an emulator whose load follows their CPU time, so every figure
# is labelled simulated. What DIR holds already is not benched again.
set -euo pipefail

out=${1:?say where it goes: compute_ledger.sh DIR [--smoke] [--threads 1,2] [--delegates auto,none] ...}
shift
mkdir -p "$out"
out=$(cd "$out" && pwd)
edgejoule=${EDGEJOULE:-edgejoule}

cat > "$out/agent.toml" <<TOML
[device]
id = "$(uname -m)-simulated"
state_dir = "state"
pid_file = "agent.pid"

[meter]
driver = "powersensor3"
port = "$out/tty"
boundary = "dc_input"
simulated = true

[model]
id = "digits_mlp_int8"

[align]
method = "none"

# An emulator and its load share this machine: what is no fault of a measurement here rejects nothing.
[bench]
max_other_cpu_ratio = 64.0
max_spread_ratio = 0.1
max_baseline_drift_ratio = 0.1
max_lost_ratio = 0.05

[broker]
url = "mqtt://127.0.0.1:1883"
TOML

"$edgejoule" meter emulate powersensor3 --link "$out/tty" --cpu-of-pid-file "$out/agent.pid" \
  --voltage-v 5.1 --idle-w 2.7 --busy-w 4.1 --noise-w 0.02 --seed 1 > "$out/emulator.log" 2>&1 &
emulator=$!
trap 'kill "$emulator"; wait "$emulator" || true' EXIT
until [ -e "$out/tty" ]; do
  kill -0 "$emulator" || { cat "$out/emulator.log" >&2; exit 1; }
  sleep 0.1
done

"$edgejoule" agent bench-all --config "$out/agent.toml" --no-publish --out "$out/records" "$@" ||
  echo "not every bench is valid; the ledger says what is left out" >&2
rejected=()
[[ " $* " == *" --smoke "* ]] && rejected=(--include-rejected) # trials are marked as rejected
"$edgejoule" models ledger --records "$out/records" "${rejected[@]}" \
  --report "$out/ledger.html" --plot "$out/ledger.svg" --csv "$out/ledger.csv"
