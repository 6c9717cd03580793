#!/usr/bin/env bash
# Makes the virtual environment: setup.sh PYTHON VENV. Called by make.
set -euo pipefail
python=$1 venv=$2

say() { printf '%s\n' "$*" >&2; }

if ! command -v "$python" >/dev/null; then
    say "No '$python' here. Install Python 3.10 or newer, or say: make PYTHON=/path/to/python3"
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
    say "'$python' is $("$python" -V 2>&1). Mobi needs Python 3.10 or newer: make PYTHON=/path/to/python3"
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    # Debian packs venv apart from Python itself.
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "Installing Debian's python3-venv ..."
        apt-get install -y -qq python3-venv >/dev/null || {
            apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
        }
    else
        say "This Python cannot make virtual environments. On Debian: sudo apt-get install python3-venv"
        exit 1
    fi
fi
say "Setting up $venv (once; about a minute) ..."
"$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --use-pep517 -r requirements.txt
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --upgrade \
    --target "$venv/stubs" -r requirements-stubs.txt
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -e .
say "Ready. 'make help' lists what there is."
