#!/bin/sh
# Make a virtual environment: sh venv.sh PYTHON FOLDER. Debian splits venv's pip off into a package of its own, so a
# machine may have `pip` without `ensurepip`; then its pip fills the environment.
set -eu
python=$1
folder=$2
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    echo "tuner needs Python 3.11 or newer; '$python' is not (set PYTHON=/path/to/python3)" >&2
    exit 2
}
if "$python" -c 'import ensurepip' 2>/dev/null; then
    "$python" -m venv "$folder" || { rm -rf "$folder"; exit 1; }
elif "$python" -m pip --version >/dev/null 2>&1; then
    "$python" -m venv --without-pip "$folder"
    "$python" -m pip --quiet --python "$folder/bin/python" install pip || { rm -rf "$folder"; exit 1; }
else
    echo "this Python has neither ensurepip nor pip: install one of them (Debian and Ubuntu: python3-venv)" >&2
    exit 2
fi
