"""Explanations in notebooks and in matplotlib."""

import base64

import numpy as np

# Told apart by people who see colours differently, too (Okabe and Ito).
_COLORS = ["#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#0072b2", "#d55e00", "#f0e442"]


def framed(page):
    """A page of its own inside a notebook."""
    encoded = base64.b64encode(page.encode()).decode()
    return (
        '<iframe title="explanation" style="width:100%;height:640px;border:0" '
        f'src="data:text/html;base64,{encoded}"></iframe>'
    )


def explanation(found, ax=None):
    """The photo with the pairs of regions or the sets that were found, or else with the map."""
    if ax is None:
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError("plot draws with matplotlib: pip install matplotlib") from error
        _, ax = plt.subplots()
    ax.imshow(found.photo)
    claimed = [pair for pair in found.interactions if pair.claim]
    # The first is drawn last, so that nothing lies on it.
    if claimed:
        for rank, pair in reversed(list(enumerate(claimed))):
            color, (first, second) = _COLORS[rank % len(_COLORS)], pair.regions
            centres = [
                _outline(ax, first, color, f"{rank + 1}a"),
                _outline(ax, second, color, f"{rank + 1}b", "dotted"),
            ]
            style = "-" if pair.sign == "synergy" else "--"
            ax.plot(*zip(*centres), style, color=color, linewidth=2)
    elif found.sets:
        for rank, one in reversed(list(enumerate(found.sets))):
            _outline(ax, one.pixels, _COLORS[rank % len(_COLORS)], str(rank + 1))
    else:
        strength = np.abs(found.map.sum(axis=0))
        if strength.max() > 0:
            strength = strength / np.quantile(strength, 0.995).clip(min=1e-30)
        ax.imshow(strength.clip(0, 1), cmap="inferno", alpha=0.6, interpolation="bilinear")
    nothing = found.verdict == "none found"
    ax.set_title(found.target + (": no interaction found" if nothing else ""), fontsize=10)
    ax.set_axis_off()
    return ax


def _outline(ax, pixels, color, name, line="solid"):
    """A region with its name; gives its middle."""
    plane = pixels.astype(float)
    if 0 < plane.sum() < plane.size:
        # On white, so that it shows on its own colour.
        for color_drawn, width, style in (("white", 3, "solid"), (color, 1.5, line)):
            ax.contour(
                plane, levels=[0.5], colors=[color_drawn], linewidths=width, linestyles=style
            )
    y, x = np.argwhere(pixels).mean(axis=0)
    at, above = y, 0
    if plane.mean() < 0.02:  # the name would hide it: it stands above, at the upper edge below
        rows = np.flatnonzero(pixels.any(axis=1))
        at, above = (rows[-1], -9) if rows[0] < len(pixels) / 8 else (rows[0], 9)
    box = {"boxstyle": "circle,pad=0.25", "fc": color, "ec": "none", "alpha": 0.9}
    style = {"color": "white", "ha": "center", "va": "center", "fontsize": 9, "bbox": box}
    ax.annotate(name, (x, at), xytext=(0, above), textcoords="offset points", **style)
    return x, y
