"""The notebooks run from top to bottom."""

import pytest

nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")


def _executed(path):
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def _seconds():
    """Time of the processor in kernels that have ended: others may keep the machine busy."""
    resource = pytest.importorskip("resource", reason="this system does not say")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _text(outputs):
    return "".join(output["text"] for output in outputs if output.output_type == "stream")


def test_the_demo(root, monkeypatch):
    monkeypatch.delenv("HSETS_CUB", raising=False)
    before = _seconds()
    outputs = _executed(root / "notebooks" / "demo.ipynb")
    assert 0 < _seconds() - before < 120
    text = _text(outputs)
    assert "they act together" in text and "HSETS_CUB or HSETS_CUB_WEIGHTS is not set" in text
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2
    assert not [output for output in outputs if output.get("name") == "stderr"]


def test_a_model_of_ones_own(root):
    for needed in ("timm", "quantus", "captum", "onnx"):
        pytest.importorskip(needed, reason=f"{needed} is not installed")
    text = _text(_executed(root / "notebooks" / "own_model.ipynb"))
    assert float(text.split("largest difference")[1].split()[0]) < 1e-4
    assert "sparseness" in text
