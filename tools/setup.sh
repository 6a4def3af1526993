#!/bin/sh
# Makes .venv and installs the project with its development tools into it, and nothing anywhere else. VENV and EXTRAS name
# another environment and other extras.
# uv is used when it can be had (it is several times faster), plain pip otherwise. The CPU build of torch is taken
# from wherever pip's own configuration points (PIP_FIND_LINKS or global.find-links); without such a place the
# index decides, and on Linux that is a CUDA build of several gigabytes.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
venv=${VENV:-.venv}
extras=${EXTRAS:-dev}

"$python" - <<'PY'
import sys
if sys.version_info < (3, 11):
    sys.exit(f"crossward needs Python 3.11 or newer, this is {sys.version.split()[0]}; set PYTHON=/path/to/python3.11")
PY

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"

links=${PIP_FIND_LINKS:-$("$venv/bin/python" -m pip config get global.find-links 2>/dev/null || true)}
if [ -n "$links" ]; then
    export PIP_FIND_LINKS="$links" UV_FIND_LINKS="$links"
fi

installer=
if "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "uv>=0.8" >/dev/null 2>&1; then
    overrides="$venv/overrides.txt"
    # crypten's metadata asks for the dead package "sklearn"; nothing here imports it.
    printf '%s\n' "sklearn ; python_version < '0'" > "$overrides"
    # the machine's own certificates, as pip uses them; both spellings, since the older one is still common
    export UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1
    if "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --override "$overrides" --compile-bytecode -e ".[$extras]"
    then
        installer=uv
    fi
fi
if [ -z "$installer" ]; then
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e ".[$extras]"
    installer=pip
fi

"$venv/bin/python" - "$installer" "$venv" <<'PY'
import importlib.metadata as metadata
import sys
print(f"set up {sys.argv[2]} with {sys.argv[1]}: torch {metadata.version('torch')}, crypten {metadata.version('crypten')}, "
      f"Python {sys.version.split()[0]}")
PY
touch "$venv/.crossward-ready"
