"""Explanations, held against the program's own files."""

import json
import os
import shutil
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


def test_files_equal_those_of_the_program(explained, picture, tmp_path):
    program = os.environ.get("HSETS_PROGRAM") or shutil.which("hsets")
    model = os.environ.get("HSETS_BUNDLED")
    if not program or not model:
        pytest.skip("set HSETS_PROGRAM to the program, HSETS_BUNDLED to the bundled weights")
    saved = explained.save(tmp_path / "python")
    subprocess.run(
        [program, "explain", picture, "--weights", model, "--segmenter", "grid:8", "--nu", "400",
         "--method", "hsets", "--quiet", "--out", tmp_path / "program"],
        check=True,
    )
    other = tmp_path / "program" / "example"
    assert sorted(os.listdir(saved)) == sorted(os.listdir(other))
    for name in ("maps.safetensors", "figure.png", "overlay.png", "sets.png", "segments.png"):
        assert (saved / name).read_bytes() == (other / name).read_bytes(), name
    ours, theirs = (json.loads((at / "explanation.json").read_text()) for at in (saved, other))
    for record in (ours, theirs):
        record["cost"].pop("timings")
        record["model"].pop("weights")
        record.pop("input")
    assert ours == theirs


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
    return net.explain(picture, method="contrasts", segments="grid:6")


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
    again = net.contrast(picture, *pair.regions, target=contrasted.class_index, segments="grid:6")
    assert again.effect == pair.effect and again.contrast == pair.contrast
    with pytest.raises(ValueError, match="shared"):
        net.contrast(picture, pair.regions[0], pair.regions[0], segments="grid:6")
    with pytest.raises(ValueError, match="bool"):
        net.contrast(picture, pair.regions[0].astype(float), pair.regions[1])
