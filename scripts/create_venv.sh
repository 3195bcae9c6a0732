#!/usr/bin/env bash
# Create a virtual environment in the folder $1 with the first Python from 3.11 on that can; PYTHON=... names another.
set -euo pipefail

folder=${1:?"usage: create_venv.sh FOLDER"}

fail() {
    echo "edgejoule: $*" >&2
    exit 2
}

is_recent() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if is_recent "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

python=$(find_python) || fail "${PYTHON:-python3} is missing or older than Python 3.11; install Python 3.11 or later" \
    "(Debian 12, Ubuntu 24.04: apt install python3 python3-venv), or name one: make PYTHON=/path/to/python3.12 ..."

"$python" -c 'import ensurepip, venv' >/dev/null 2>&1 ||
    fail "$python cannot create virtual environments; on Debian and Ubuntu: apt install python3-venv"

rm -rf "$folder"
echo "creating $folder with $("$python" --version)" >&2
"$python" -m venv "$folder" || {
    rm -rf "$folder"
    fail "$python could not create $folder; the lines above say why"
}
