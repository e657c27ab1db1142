#!/usr/bin/env bash
# The wheel, built and tested in a virtual environment of its own. Says so and ends well where there
# is no Python with venv, or no package index to install from.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
  echo "the Python package is not tested: $1"
  exit 0
}

python="${PYTHON:-python3}"
command -v "$python" >/dev/null || skip "no $python"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' || skip "$python is older than 3.9"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
env="$work/env"
# What the system has already (torch, say) need not be installed again.
"$python" -m venv --system-site-packages "$env" >/dev/null 2>&1 || skip "$python has no venv with pip"
install() { "$env/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }
install 'maturin>=1.8,<2' 'numpy>=1.22' pillow pytest mypy nbclient ipykernel matplotlib \
  >"$work/pip" 2>&1 || skip "no package index: $(tail -n 1 "$work/pip")"

# What it is compared with. PyTorch's own index has a build without CUDA's gigabytes; the ordinary one
# brings them, which needs room for what is downloaded and for what is unpacked.
has_torch() { "$env/bin/python" -c 'import torch' 2>/dev/null; }
has_torch || install --retries 0 --timeout 10 --index-url https://download.pytorch.org/whl/cpu \
  torch torchvision >"$work/pip" 2>&1 || true
free="$(df -Pk "$work" | awk 'NR == 2 { print int($4 / 1024 / 1024) }')"
if ! has_torch && ((free >= 12)); then
  echo "PyTorch's own index cannot be used: torch with CUDA is installed, 5 GB"
  install torch torchvision >"$work/pip" 2>&1 || true
fi
if has_torch; then
  install onnx onnxscript timm captum quantus shapiq
else
  echo "no torch: what compares with torch, captum and Quantus is skipped ($free GB of the 12 that" \
    "torch with CUDA needs are free; pip: $(tail -n 1 "$work/pip"))"
fi

"$env/bin/maturin" build --release --interpreter "$env/bin/python" --out "$work/wheels"
install "$work"/wheels/*.whl
"$env/bin/python" -m pytest -q -rs --durations=12 tests
