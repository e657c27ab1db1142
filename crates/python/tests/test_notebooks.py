"""The notebooks run from top to bottom."""

import pytest

nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")
Image = pytest.importorskip("PIL.Image", reason="pillow is not installed")


def _executed(path, cells=None):
    notebook = nbformat.read(path, as_version=4)
    if cells:
        notebook.cells = [notebook.cells[cell] for cell in cells]
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


def _made_up_birds(root, picture):
    """A folder as that of CUB-200-2011: the package's picture and five that were made of it."""
    image = Image.open(picture).convert("RGB")
    turned = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    pictures = [image, turned, image.resize((96, 70)), turned.resize((70, 96)), image.convert("L")]
    classes = ["001.Draw_Finch", "002.Orange_Jay", "003.Blue_Jay"]
    files = []
    for number, one in enumerate([*pictures, turned.convert("L")]):
        files.append(f"{classes[number // 2]}/Bird_{number:04}.jpg")
        (root / "images" / files[-1]).parent.mkdir(parents=True, exist_ok=True)
        one.save(root / "images" / files[-1], quality=95)
    tables = {
        "images.txt": files,
        "classes.txt": classes,
        "image_class_labels.txt": [1, 1, 2, 2, 3, 3],
        "train_test_split.txt": [1, 0, 1, 1, 1, 0],
        "bounding_boxes.txt": ["5.0 5.0 50.0 50.0"] * len(files),
    }
    for name, rows in tables.items():
        lines = [f"{number} {row}\n" for number, row in enumerate(rows, start=1)]
        (root / name).write_text("".join(lines))
    return [files[1], files[5]]


def test_the_demo_on_birds(root, tmp_path, monkeypatch, picture):
    """Only the cells that birds need: the first, which imports, and the last."""
    held_out = _made_up_birds(tmp_path, picture)
    monkeypatch.setenv("HSETS_CUB", str(tmp_path))
    weights = root / "fixtures" / "bundled" / "model.safetensors"
    monkeypatch.setenv("HSETS_CUB_WEIGHTS", str(weights))
    outputs = _executed(root / "notebooks" / "demo.ipynb", [1, -1])
    said = [line for line in _text(outputs).splitlines() if ": taken for " in line]
    assert [line.split(":")[0] for line in said] == [file.split("/")[0] for file in held_out]
    classes = (tmp_path / "classes.txt").read_text().split()[1::2]
    assert all(line.split(": taken for ")[1].split(",")[0] in classes for line in said)
    assert all(line.endswith((", interaction", ", none found")) for line in said)
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 1
    assert not [output for output in outputs if output.get("name") == "stderr"]


def test_a_model_of_ones_own(root):
    for needed in ("timm", "quantus", "captum", "onnx"):
        pytest.importorskip(needed, reason=f"{needed} is not installed")
    text = _text(_executed(root / "notebooks" / "own_model.ipynb"))
    assert float(text.split("largest difference")[1].split()[0]) < 1e-4
    assert "sparseness" in text
