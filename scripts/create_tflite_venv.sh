#!/usr/bin/env bash
# Create the virtual environment $1 in which tests/engines tries tflite-runtime: it needs NumPy 1 and Python 3.11, so it
# cannot live beside LiteRT in .venv. Where it cannot be had, this script says why and ends well.
set -euo pipefail

folder=${1:?"usage: create_tflite_venv.sh FOLDER"}
here=$(dirname "$0")

go_on_without() {
    echo "note: $*; the tests of tflite-runtime will be skipped" >&2
    rm -rf "$folder"
    exit 0
}

is_311() {
    "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info[:2] != (3, 11))' >/dev/null 2>&1
}

find_python() {
    local candidate
    for candidate in .venv/bin/python python3.11 python3; do
        if is_311 "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

python=$(find_python) || go_on_without "tflite-runtime 2.14 has wheels up to Python 3.11, which is not on this machine"
PYTHON=$python "$here/create_venv.sh" "$folder"
install() {
    "$folder/bin/python" -m pip install --quiet "$@" >&2
}
install 'tflite-runtime==2.14.0' 'numpy<2' 'msgspec>=0.19' 'pytest>=8.2' ||
    go_on_without "pip could not install tflite-runtime 2.14.0 here"
# Its models alone are used; what it depends on is for microphones.
install --no-deps 'pymicro-wakeword>=2.5,<3' || echo "note: pymicro-wakeword could not be installed" >&2
touch "$folder/.installed"
