#!/usr/bin/env bash
# The wheel, built and tested in a virtual environment of its own. Says so and ends well where there
# is no Python with venv, or no package index to install from.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
  echo "the Python package is not tested: $1"
  exit 0
}

# Quietly, unless it fails for another reason than a missing package index.
install() { "$env/bin/pip" install --quiet --disable-pip-version-check --retries 1 --timeout 20 "$@"; }

python="${PYTHON:-python3}"
command -v "$python" >/dev/null || skip "no $python"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' || skip "$python is older than 3.9"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
env="$work/env"
"$python" -m venv "$env" >/dev/null 2>&1 || skip "$python has no venv with pip"
install 'maturin>=1.8,<2' numpy pillow pytest mypy >/dev/null 2>&1 || skip 'no package index'

# What compares with torch, captum, Quantus and shapiq, and runs the notebooks; large, so on request.
if [ "${HSETS_PYTHON_PEERS:-}" = 1 ]; then
  install --extra-index-url https://download.pytorch.org/whl/cpu \
    torch onnx onnxscript timm captum quantus shapiq matplotlib nbclient ipykernel tqdm
fi

"$env/bin/maturin" build --release --interpreter "$env/bin/python" --out "$work/wheels"
install "$work"/wheels/*.whl
"$env/bin/python" -m pytest -q -rs tests
