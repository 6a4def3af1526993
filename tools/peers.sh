#!/bin/sh
# Makes .venv-peers: SPU, measured beside us, and matplotlib for the pictures. Apart from .venv, since SPU pins an older
# numpy. Nothing of ours is installed there.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
venv=.venv-peers
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "spu==0.9.5" "matplotlib>=3.10"
touch "$venv/.crossward-ready"
