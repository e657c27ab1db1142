"""Networks of PyTorch, brought over as ONNX and checked against themselves."""

import io
import json
import logging
import warnings

import numpy as np

from hsets import _hsets

_log = logging.getLogger("hsets")

# Logits may differ by this share of their largest size: two float32 programs add in two orders.
_TOLERANCE = 1e-3


def from_torch(
    module,
    example=None,
    *,
    name=None,
    labels=None,
    mean=None,
    std=None,
    probabilities=None,
    check=True,
    memory=None,
):
    """A network from any torch module that ONNX can hold.

    ``example``: a normalised input [1, C, H, W] or [C, H, W] as the module takes it, which fixes
    the size; for timm's models zeros of the size that they state. ``labels``: a name for every
    class. ``mean`` and ``std``: how pictures are normalised, of pixel values in 0 to 1; without
    them as timm's models state it, or else as ImageNet's. ``probabilities``: "softmax", or
    "sigmoid" where several classes may be true of a picture at once.

    The module is put into eval mode while it is exported and left as it was. Its logits at
    ``example`` are compared with the engine's unless ``check`` is False.
    """
    try:
        import torch
    except ImportError as error:
        raise ImportError("from_torch needs torch: pip install torch onnx onnxscript") from error
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"module: expected a torch.nn.Module, not {type(module).__name__}")
    stated = getattr(module, "pretrained_cfg", None)
    stated = stated if isinstance(stated, dict) else {}
    example = _example(torch, module, example, stated)
    name = name or stated.get("architecture") or type(module).__name__
    kept = ("mean", "std", "crop_pct", "interpolation")
    metadata = {key: _text(stated[key]) for key in kept if stated.get(key) is not None}
    if labels is not None:
        metadata["labels"] = json.dumps([str(label) for label in labels])
    if probabilities is not None:
        if probabilities not in ("softmax", "sigmoid"):
            raise ValueError(f"probabilities: 'softmax' or 'sigmoid', not {probabilities!r}")
        metadata["probabilities"] = probabilities

    def load(onnx):
        return _hsets.load_onnx(onnx, name, metadata, mean=mean, std=std, memory=memory)

    training = {part: part.training for part in module.modules()}
    try:
        module.eval()
        expected = _logits(torch, module, example)
        if labels is not None and len(labels) != expected.shape[1]:
            raise ValueError(f"{len(labels)} labels, but {expected.shape[1]} classes")
        network = _brought(torch, module, example, load)
    finally:
        for part, mode in training.items():
            part.training = mode
    if check:
        found = network.logits(example.cpu().float()).astype(np.float64)
        scale = max(float(np.abs(expected).max()), 1e-6)
        error = min(float(np.abs(end - expected).max()) for end in _ends(found)) / scale
        if not error <= _TOLERANCE:
            raise RuntimeError(
                f"the engine's logits differ from the module's by {error:.1e} of their size: "
                "the export does not hold what the module computes"
            )
        _log.info("%s: logits equal to the module's to %.1e", network.name, error)
    return network


def _ends(logits):
    """What a module may give for these logits: themselves, or what it ends in beyond them."""
    yield logits
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    softmax = powers / powers.sum(axis=1, keepdims=True)
    yield softmax
    yield np.log(np.maximum(softmax, 1e-300))
    yield 1 / (1 + np.exp(-np.clip(logits, -700, 700)))


def _text(value):
    """A value as the metadata of a file has it: words as they are, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _example(torch, module, example, stated):
    """An input [1, C, H, W] where the module is, in its type."""
    if example is None:
        if "input_size" not in stated:
            raise TypeError("example: needed, since the module does not state the size of its input")
        example = torch.zeros(1, *stated["input_size"])
    example = torch.as_tensor(example).detach()
    if not example.dtype.is_floating_point:
        raise TypeError(f"example: expected a normalised float input, not {example.dtype}")
    if example.ndim == 3:
        example = example[None]
    if example.ndim != 4 or example.shape[0] != 1:
        raise ValueError(f"example: expected [1, C, H, W], found {list(example.shape)}")
    parameter = next(module.parameters(), None)
    return example if parameter is None else example.to(parameter.device, parameter.dtype)


def _logits(torch, module, example):
    with torch.no_grad():
        logits = module(example)
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2:
        raise TypeError("module: expected logits [1, K] as its only output")
    return logits.cpu().float().numpy()


def _brought(torch, module, example, load):
    """The network, by the first of torch's exporters whose file the engine can read."""
    problems = []
    for way, export in (("traced", _traced), ("exported", _exported)):
        try:
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                onnx = export(torch, module, example)
            return load(onnx)
        except Exception as error:
            problems.append(f"{way}: {str(error).strip().splitlines()[0]}")
    raise ValueError(f"{type(module).__name__} cannot be brought over; " + "; ".join(problems))


def _traced(torch, module, example):
    file = io.BytesIO()
    # Weights stay inside the file.
    torch.onnx.export(module, (example,), file, opset_version=17, dynamo=False)
    return file.getvalue()


def _exported(torch, module, example):
    program = torch.onnx.export(module, (example,), dynamo=True, verbose=False)
    return program.model_proto.SerializeToString()
