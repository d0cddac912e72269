# Sourced by build.sh and test.sh: the cached environment with what they need, as $venv.
venv="${LOAM_PYTHON_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/loam/python-venv}"
requirements="$here/tools/requirements.txt"
if [[ ! -f "$venv/requirements.txt" ]] || ! cmp -s "$requirements" "$venv/requirements.txt"; then
  "${PYTHON:-python3}" -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"
  cp "$requirements" "$venv/requirements.txt"
fi
