"""Explanations, held against the program's own files."""

import json
import math
import os
import subprocess

import numpy as np
import pytest

import hsets


@pytest.fixture(scope="module")
def explained(net, picture):
    return net.explain(picture, segments="grid:8", settings=hsets.Settings.paper(nu=400))


def test_sets_hold_features_with_scores(explained):
    assert explained.target == "blue wins"
    assert explained.class_index == 2 and 0.5 < explained.probability <= 1
    sets = explained.sets
    assert len(sets) == 5
    assert all(first.score >= second.score for first, second in zip(sets, sets[1:]))
    first = sets[0]
    assert first.features.shape == (3, 64, 64) and first.features.dtype == bool
    assert first.features.sum() == len(first) <= 400
    np.testing.assert_array_equal(first.pixels, first.features.any(axis=0))
    assert explained.segments.max() == 63


def test_the_map_is_what_attribute_gives(net, explained, image):
    map = net.attribute(
        image, 2, "hsets", segments="grid:8", settings=hsets.Settings.paper(nu=400)
    )
    np.testing.assert_array_equal(map, explained.map)


def test_segments_may_be_given(net, picture, explained):
    again = net.explain(
        picture, segments=explained.segments, settings=hsets.Settings.paper(nu=400)
    )
    np.testing.assert_array_equal(again.map, explained.map)


PICTURES = ("figure.png", "overlay.png", "sets.png", "segments.png")


def _same_files(saved, other):
    """Every file to the byte, but for how long it took."""
    assert sorted(os.listdir(saved)) == sorted(os.listdir(other))
    for name in ("maps.safetensors", *PICTURES):
        if (other / name).exists():
            assert (saved / name).read_bytes() == (other / name).read_bytes(), name
    records = [json.loads((at / "explanation.json").read_text()) for at in (saved, other)]
    for record in records:
        assert record["cost"].pop("timings")
    assert records[0] == records[1]


@pytest.mark.parametrize(
    ("arguments", "settings", "options"),
    [
        (["--nu", "100"], hsets.Settings.paper(nu=100), {}),
        (
            ["--preset", "reference", "--mu", "0.4", "--sets", "2", "--samples", "30"],
            hsets.Settings.reference(mu=0.4, sets=2, samples=30),
            {"target": "blue wins", "against": "draw"},
        ),
        (["--preset", "complete"], hsets.Settings.complete(), {}),
        (
            ["--method", "ig", "--steps", "auto:0.05", "--baseline", "noise", "--seed", "3"],
            hsets.Settings.paper(method="ig", steps="auto:0.05", baseline="noise"),
            {"seed": 3},
        ),
        (
            ["--method", "contrasts", *"--contexts 12 --copies 1 --pairs 2".split()]
            + ["--references", "ring,blur"],
            hsets.Settings.paper(
                method="contrasts", contexts=12, copies=1, pairs=2, references=["ring", "blur"]
            ),
            {"target": "logodds:2"},
        ),
        (["--method", "pair-effects"], hsets.Settings.paper(method="pair-effects"), {}),
    ],
)
def test_files_equal_those_of_the_program(
    net, picture, program, tmp_path, arguments, settings, options
):
    found = net.explain(picture, segments="grid:5", settings=settings, **options)
    saved = found.save(tmp_path / "python")
    for name in ("target", "against"):
        arguments = arguments + ([f"--{name}", options[name]] if name in options else [])
    subprocess.run(
        [program, "explain", picture, "--model", "bundled", "--segmenter", "grid:5", "--quiet",
         "--out", tmp_path / "program", *arguments],
        check=True,
    )
    _same_files(saved, tmp_path / "program" / "example")


def test_files_of_an_onnx_network_equal_those_of_the_program(picture, program, tiny, tmp_path):
    net = hsets.load(tiny, like="resnet18")
    saved = net.explain(picture, target=1).save(tmp_path / "python")
    subprocess.run(
        [program, "explain", picture, "--model", tiny, "--like", "resnet18", "--target", "1",
         "--quiet", "--out", tmp_path / "program"],
        check=True,
    )
    _same_files(saved, tmp_path / "program" / "example")


def test_it_shows_itself(explained):
    page = explained.html()
    assert page.startswith("<!") and "blue wins" in page
    assert "iframe" in explained._repr_html_()
    assert explained.figure().startswith(b"\x89PNG")
    assert explained.to_dict()["class"]["label"] == "blue wins"


def test_it_plots(explained, net, picture):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    assert explained.plot().get_title() == "blue wins"
    assert net.explain(picture, method="ig").plot() is not None


def test_names_in_a_plot_hide_no_small_region():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from hsets._plot import _outline

    ax = matplotlib.figure.Figure().subplots()
    ax.imshow(np.zeros((64, 64)))
    for name, rows, offset in (("small", 30, 9), ("at the edge", 2, -9), ("large", 0, 0)):
        region = np.zeros((64, 64), bool)
        region[rows : rows + (3 if offset else 40), 20:30] = True
        _outline(ax, region, "#000000", name)
        label = ax.texts[-1]
        assert (label.get_text(), label.xyann) == (name, (0, offset))
        assert region[round(label.xy[1]), round(label.xy[0])]


def test_what_cannot_be_written_is_an_os_error(explained, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        explained.save(tmp_path / "file" / "out")


def test_seeds_make_it_repeatable(net, picture):
    maps = [net.explain(picture, method="random-map", seed=seed).map for seed in (1, 1, 2)]
    np.testing.assert_array_equal(maps[0], maps[1])
    assert np.abs(maps[0] - maps[2]).max() > 0


def test_metrics_of_maps(net, picture, explained):
    assert hsets.metrics.gini(explained.map) == pytest.approx(explained.gini)
    plane = np.zeros((64, 64))
    plane[:8] = 1
    assert hsets.metrics.gini(plane) == pytest.approx(1 - 8 / 64, abs=1e-3)
    found = hsets.metrics.road(explained.map, picture, net)
    assert found["readings"] and found["curves"]
    for metric in (hsets.metrics.insertion, hsets.metrics.deletion):
        assert 0 <= metric(explained.map, picture, net) <= 1
    with pytest.raises(ValueError):
        hsets.metrics.insertion(np.zeros((4, 4)), picture, net)
    with pytest.raises(ValueError, match="finite"):
        hsets.metrics.gini(np.full((4, 4), np.nan))


def test_segments_of_pictures(picture):
    labels = hsets.segment(picture, "grid:4")
    assert labels.dtype == np.int32 and labels.max() == 15
    assert hsets.segment(picture).max() > 0
    with pytest.raises(ValueError, match="voronoi"):
        hsets.segment(picture, "voronoi")


@pytest.fixture(scope="module")
def contrasted(net, picture):
    settings = hsets.Settings.paper(contexts=12, pairs=3)
    return net.explain(picture, method="contrasts", segments="grid:6", settings=settings)


def test_pairs_are_measured_and_tested(contrasted):
    assert contrasted.verdict in ("interaction", "none found")
    assert contrasted.verdict == (
        "interaction" if any(pair.claim for pair in contrasted.interactions) else "none found"
    )
    for pair in contrasted.interactions:
        both, first, second, neither = pair.contrast
        assert pair.effect == pytest.approx(both - first - second + neither, abs=1e-6)
        assert pair.interval[0] <= pair.effect <= pair.interval[1]
        assert pair.sign == ("synergy" if pair.effect >= 0 else "redundancy")
        assert not (pair.regions[0] & pair.regions[1]).any()
    record = contrasted.to_dict()
    assert record["verdict"] == contrasted.verdict
    assert len(record["interactions"]) == len(contrasted.interactions)


def test_given_regions_give_the_same_numbers(net, picture, contrasted):
    """A test of one pair needs no correction, so its p may be smaller; the effect is the same."""
    pair = contrasted.interactions[0]
    again = net.contrast(
        picture, *pair.regions, target=contrasted.class_index, segments="grid:6",
        settings=hsets.Settings.paper(contexts=12),
    )
    assert again.effect == pair.effect and again.contrast == pair.contrast
    with pytest.raises(ValueError, match="shared"):
        net.contrast(picture, pair.regions[0], pair.regions[0], segments="grid:6")
    with pytest.raises(ValueError, match="bool"):
        net.contrast(picture, pair.regions[0].astype(float), pair.regions[1])


@pytest.fixture(scope="module")
def game(net, picture):
    return net.game(picture, "logodds:2", players=10)


def test_a_game_is_what_the_network_says_of_every_coalition(net, image, game):
    """Played again from outside, by hand."""
    assert game.n_players == 10 == game.segments.max() + 1
    inside = [game.segments == player for player in range(10)]
    x, b = image, game.reference
    values = []
    for coalition in range(1 << 10):
        shown = np.zeros(x.shape[1:], bool)
        for player in range(10):
            if coalition >> player & 1:
                shown |= inside[player]
        values.append(np.where(shown, x, b))
    logits = net.logits(np.stack(values)).astype(np.float64)
    others = np.delete(logits, 2, axis=1)
    odds = logits[:, 2] - np.log(np.exp(others).sum(axis=1))
    np.testing.assert_allclose(game.values, odds, atol=1e-5)


def _weight(n, size, order):
    return (
        math.factorial(size) * math.factorial(n - size - order) / math.factorial(n - order + 1)
    )


def test_shapley_and_banzhaf_are_their_definitions(game):
    """By enumeration of the marginal contributions, which the engine never forms."""
    n, worth = game.n_players, game.values
    coalitions = np.arange(1 << n)
    sizes = np.array([bin(coalition).count("1") for coalition in coalitions])
    for i in range(n):
        rest = coalitions[coalitions >> i & 1 == 0]
        gain = worth[rest | 1 << i] - worth[rest]
        weights = [_weight(n, size, 1) for size in sizes[rest]]
        assert game.shapley_values[i] == pytest.approx(np.dot(weights, gain), abs=1e-9)
        assert game.banzhaf_values[i] == pytest.approx(gain.mean(), abs=1e-9)
        for j in range(i):
            apart = rest[rest >> j & 1 == 0]
            beyond = (
                worth[apart | 1 << i | 1 << j] - worth[apart | 1 << i]
                - worth[apart | 1 << j] + worth[apart]
            )
            weights = [_weight(n, size, 2) for size in sizes[apart]]
            for found, expected in (
                (game.shapley_interactions, np.dot(weights, beyond)),
                (game.banzhaf_interactions, beyond.mean()),
            ):
                assert found[i, j] == found[j, i] == pytest.approx(expected, abs=1e-9)
    assert game.shapley_values.sum() == pytest.approx(worth[-1] - worth[0], abs=1e-9)


def test_shapiq_computes_the_same(game):
    shapiq = pytest.importorskip("shapiq", reason="shapiq is not installed")
    n, worth = game.n_players, game.values

    def play(coalitions):
        return worth[(np.asarray(coalitions) * (1 << np.arange(n))).sum(axis=1)]

    exact = shapiq.ExactComputer(n_players=n, game=play)
    values = exact("SV", 1)
    pairs = exact("SII", 2)
    for i in range(n):
        assert values[(i,)] == pytest.approx(game.shapley_values[i], abs=1e-9)
        for j in range(i):
            assert pairs[(j, i)] == pytest.approx(game.shapley_interactions[i, j], abs=1e-9)
