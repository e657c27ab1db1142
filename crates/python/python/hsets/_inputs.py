"""The many things that users have, as the arrays that the engine takes."""

import os

import numpy as np


def _array(given, what):
    """A numpy array of anything that holds one, without a copy where that is possible."""
    if isinstance(given, np.ndarray):
        return given
    if hasattr(given, "detach") and hasattr(given, "device"):  # torch
        tensor = given.detach()
        if tensor.device.type != "cpu":
            raise ValueError(f"{what}: on {tensor.device}, but arrays are read from memory: .cpu()")
        if str(tensor.dtype) == "torch.bfloat16":  # numpy has none
            tensor = tensor.float()
        return tensor.numpy()
    if hasattr(given, "__dlpack__"):
        return np.from_dlpack(given)
    if hasattr(given, "__array__") or isinstance(given, (list, tuple)):
        return np.asarray(given)
    raise TypeError(f"{what}: expected an array, not {type(given).__name__}")


def listed(given):
    """A list of what is in an array, a tuple or a tensor; what is none of these as it is."""
    if hasattr(given, "tolist"):
        return given.tolist()
    return list(given) if isinstance(given, tuple) else given


def _float32(array, what):
    if array.dtype.kind != "f":
        raise TypeError(
            f"{what}: normalised images are of float32, not {array.dtype}; "
            "net.preprocess makes one of a picture"
        )
    return np.require(array, np.float32, ["C", "ALIGNED"])


def batch(given):
    """float32 [N, C, H, W] of [N, C, H, W] or [C, H, W], and whether it was the latter."""
    array = _float32(_array(given, "images"), "images")
    if array.ndim not in (3, 4):
        raise ValueError(f"images: expected [N, C, H, W] or [C, H, W], found {list(array.shape)}")
    single = array.ndim == 3
    return (array[None] if single else array), single


def picture(given):
    """A path, uint8 [H, W, 3], or normalised float32 [C, H, W]."""
    if isinstance(given, (str, os.PathLike)):
        return os.fspath(given)
    if hasattr(given, "convert") and hasattr(given, "getbands"):  # PIL
        return np.asarray(given.convert("RGB"))
    array = _array(given, "picture")
    if array.dtype == np.uint8:
        if array.ndim == 2:
            array = np.repeat(array[:, :, None], 3, axis=2)
        if array.ndim == 3 and array.shape[2] == 4:  # as PIL's convert("RGB")
            array = array[:, :, :3]
        if array.ndim != 3 or array.shape[2] != 3:
            raise ValueError(f"uint8 pictures are [H, W, 3], not {list(array.shape)}")
        return array
    array = _float32(array, "picture")
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 3:
        raise ValueError(f"picture: expected [C, H, W], found {list(array.shape)}")
    return array


def segments(given):
    """The name of a segmenter, or labels int32 [H, W]."""
    if isinstance(given, (str, os.PathLike)):
        return os.fspath(given)
    array = _array(given, "segments")
    if array.ndim != 2 or array.dtype.kind not in "iu":
        raise ValueError(
            f"segments: labels are integers [H, W], not {array.dtype} {list(array.shape)}"
        )
    if array.size and (array.min() < 0 or array.max() > np.iinfo(np.int32).max):
        raise ValueError("segments: labels lie outside 0 to 2147483647")
    return np.ascontiguousarray(array, dtype=np.int32)


def region(given):
    """bool [H, W]."""
    array = _array(given, "region")
    if array.ndim != 2 or array.dtype.kind not in "biu":
        raise ValueError(f"region: expected bool [H, W], not {array.dtype} {list(array.shape)}")
    return np.ascontiguousarray(array != 0)


def map(given):
    """float32 [C, H, W] of [H, W], [C, H, W] or [1, C, H, W]."""
    array = _array(given, "map")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"map: expected numbers, not {array.dtype}")
    array = np.ascontiguousarray(array, dtype=np.float32)
    if array.ndim == 2:
        array = array[None]
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 3:
        raise ValueError(f"map: expected [H, W] or [C, H, W], found {list(array.shape)}")
    if not np.isfinite(array).all():
        raise ValueError("map: holds numbers that are not finite")
    return array
