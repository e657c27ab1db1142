"""Networks: what goes in, what comes out, what is refused."""

import os
import pathlib
import subprocess
import sys
import threading
import time
import types

import numpy as np
import pytest

import hsets


def test_it_knows_itself(net):
    assert net.shape == (3, 64, 64)
    assert net.labels == ["draw", "orange wins", "blue wins"]
    assert len(net.weights_sha256) == 64
    assert "64" in repr(net)


def test_pictures_of_every_kind_are_the_same(net, picture):
    from PIL import Image

    pil = Image.open(picture)
    expected = net.preprocess(picture)
    assert expected.dtype == np.float32 and expected.shape == (3, 64, 64)
    for given in (pathlib.Path(picture), pil, np.asarray(pil.convert("RGB"))):
        np.testing.assert_array_equal(net.preprocess(given), expected)
    np.testing.assert_array_equal(net.preprocess(expected), expected)


def test_predictions_are_ranked_probabilities(net, picture):
    found = net.predict(picture, top=3)
    assert found[0].label == "blue wins"
    assert abs(sum(one.probability for one in found) - 1) < 1e-6
    assert found[0].probability >= found[1].probability


def test_layouts_and_widths_do_not_matter(net, image, rng):
    batch = np.stack([image, image[:, ::-1], rng.normal(size=image.shape)]).astype(np.float32)
    expected = net.logits(batch)
    assert expected.shape == (3, 3)
    strided = np.empty((3, 3, 64, 128), np.float32)[..., ::2]
    strided[:] = batch
    for given in (batch.astype(np.float64), np.asfortranarray(batch), strided):
        np.testing.assert_allclose(net.logits(given), expected, rtol=1e-6)


def test_gradients_are_slopes(net, image, rng):
    """Along a random direction the logit changes as the gradient says."""
    gradient = net.gradient(image, "blue wins")
    assert gradient.shape == image.shape
    direction = rng.normal(size=image.shape).astype(np.float32)
    step = 1e-3
    ends = net.logits(np.stack([image + step * direction, image - step * direction]))
    slope = (ends[0, 2] - ends[1, 2]) / (2 * step)
    assert slope == pytest.approx(float((gradient * direction).sum()), rel=0.05)


def test_hessian_rows_are_symmetric(net, image):
    features = [(0, 20, 20), (1, 30, 40)]
    rows = net.hessian_rows(image, features, 2, smoothing="softplus:5")
    assert rows.shape == (2, 3, 64, 64)
    assert rows[0][features[1]] == pytest.approx(rows[1][features[0]], rel=1e-3, abs=1e-7)


def test_one_image_or_many(net, image):
    one = net.attribute(image, 2)
    many = net.attribute(np.stack([image, image]), [2, 1])
    assert one.shape == (3, 64, 64) and many.shape == (2, 3, 64, 64)
    np.testing.assert_array_equal(many[0], one)
    assert np.abs(many[1] - one).max() > 0


def test_integrated_gradients_are_complete(net, image):
    map = net.attribute(image, 2, method="ig", settings=hsets.Settings.paper(steps=200))
    ends = net.logits(np.stack([image, np.zeros_like(image)]))
    gap = abs(map.sum() - (ends[0, 2] - ends[1, 2]))
    assert gap < 0.05 * abs(ends[0, 2] - ends[1, 2])


def test_baselines_by_name_and_by_image(net, image):
    zero = net.attribute(image, 2, baselines="zero")
    np.testing.assert_array_equal(net.attribute(image, 2, baselines=np.zeros_like(image)), zero)
    assert np.abs(net.attribute(image, 2, baselines="blur") - zero).max() > 0


def _one_is(x, value):
    x = x.copy()
    x[1, 5, 7] = value
    return x


def _closed():
    from PIL import Image

    picture = Image.open(hsets.example_picture())
    picture.close()
    return picture


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda net, x: net.logits(None), TypeError, "NoneType"),
        (lambda net, x: net.logits(x.astype(complex)), TypeError, "complex"),
        (lambda net, x: net.logits(np.array(["a"])), TypeError, "float32"),
        (lambda net, x: net.explain(x, 1.5), TypeError, "an index or a name"),
        (lambda net, x: net.attribute(x, [1.5]), TypeError, "an index or a name"),
        (lambda net, x: net.explain(open(__file__, "rb")), TypeError, "BufferedReader"),
        (lambda net, x: net.explain(_closed()), ValueError, "closed"),
        (lambda net, x: net.explain(x[None].repeat(2, 0)), ValueError, "[C, H, W]"),
        (lambda net, x: net.explain(x, np.nan), TypeError, "an index or a name"),
        (lambda net, x: net.hessian_rows(x, [(0, -1, 0)]), ValueError, "(channel, y, x)"),
        (lambda net, x: net.hessian_rows(x, 5), ValueError, "(channel, y, x)"),
        (lambda net, x: net.game(x, players=0), ValueError, "players"),
        (lambda net, x: net.game(x, players=17), ValueError, "16"),
        (lambda net, x: hsets.Settings.paper(nu=-3), ValueError, "nu"),
        (lambda net, x: hsets.Settings.paper(mu="high"), TypeError, "mu"),
        (lambda net, x: hsets.Settings.paper(references=["rings"]), ValueError, "rings"),
        (lambda net, x: hsets.load("bundled", size="large", weights="w"), TypeError, "size"),
        (lambda net, x: hsets.load("resnet18", device="tpu"), ValueError, "tpu"),
        (lambda net, x: hsets.load(__file__ + ".onnx"), FileNotFoundError, ".onnx"),
        (lambda net, x: net.logits(x[:, :32]), ValueError, "expected [3, 64, 64]"),
        (lambda net, x: net.logits(x[0]), ValueError, "[N, C, H, W]"),
        (lambda net, x: net.logits(x[None, None]), ValueError, "[N, C, H, W]"),
        (lambda net, x: net.logits(x.astype(int)), TypeError, "float32"),
        (lambda net, x: net.logits(np.full_like(x, np.nan)), ValueError, "not finite"),
        (lambda net, x: net.gradient(np.full_like(x, np.inf), 2), ValueError, "not finite"),
        (lambda net, x: net.attribute(_one_is(x, np.nan), 2), ValueError, "y 5, x 7"),
        (lambda net, x: net.hessian_rows(_one_is(x, np.nan), [(0, 0, 0)]), ValueError, "y 5, x 7"),
        (lambda net, x: net.explain(_one_is(x, -np.inf)), ValueError, "y 5, x 7"),
        (lambda net, x: net.predict(_one_is(x, np.nan)), ValueError, "y 5, x 7"),
        (lambda net, x: net.attribute(x, baselines=_one_is(x, np.nan)), ValueError, "y 5, x 7"),
        (lambda net, x: hsets.Settings.paper(mu=np.nan), ValueError, "mu"),
        (lambda net, x: net.attribute(x.astype(np.uint8)), TypeError, "float32"),
        (lambda net, x: net.gradient(x.astype(object)), TypeError, "object"),
        (lambda net, x: net.explain(x.astype(np.int64)), TypeError, "int64"),
        (lambda net, x: net.explain(x > 0), TypeError, "bool"),
        (lambda net, x: net.explain(np.zeros((64, 64, 2), np.uint8)), ValueError, "[H, W, 3]"),
        (lambda net, x: net.logits(np.zeros((0, 3, 64, 64), np.float32)), ValueError, "no image"),
        (lambda net, x: net.logits("x.png"), TypeError, "array"),
        (lambda net, x: net.attribute(x, 7), ValueError, "class 7"),
        (lambda net, x: net.attribute(x, -1), ValueError, "-1"),
        (lambda net, x: net.attribute(x, "zebra"), ValueError, "zebra"),
        (lambda net, x: net.attribute(x, [0, 1]), ValueError, "2 classes for 1"),
        (lambda net, x: net.attribute(x, method="magic"), ValueError, "magic"),
        (lambda net, x: net.attribute(x, baselines="grey"), ValueError, "grey"),
        (lambda net, x: net.explain(x, against=0), ValueError, "target"),
        (lambda net, x: net.explain(x, segments=np.zeros((4, 4))), ValueError, "integers"),
        (lambda net, x: net.explain(x, segments=-np.ones((4, 4), int)), ValueError, "outside"),
        (lambda net, x: net.explain("no such file.png"), FileNotFoundError, "no such file.png"),
        (lambda net, x: net.explain(__file__), ValueError, "not an image"),
        (lambda net, x: net.hessian_rows(x, [(3, 0, 0)]), ValueError, "outside"),
        (lambda net, x: net.hessian_rows(x, [(0, 0, 0)], smoothing="soft"), ValueError, "soft"),
        (lambda net, x: hsets.Settings.paper(mu=7.0), ValueError, "7"),
        (lambda net, x: hsets.Settings.paper(my=0.5), TypeError, "no setting 'my'"),
        (lambda net, x: hsets.load("no-such-network"), ValueError, "no-such-network"),
        (lambda net, x: hsets.load(weights="no.safetensors"), FileNotFoundError, "no.safetensors"),
        (lambda net, x: hsets.load(), TypeError, "name a model"),
    ],
)
def test_bad_input_is_an_exception_that_says_what(net, image, call, error, says):
    with pytest.raises(error) as raised:
        call(net, image)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_classes_may_come_as_arrays(net, image):
    batch = np.stack([image, image])
    expected = net.attribute(batch, [2, 1])
    for given in (np.array([2, 1]), (2, "orange wins"), [np.int64(2), 1]):
        np.testing.assert_array_equal(net.attribute(batch, given), expected)
    rows = net.hessian_rows(image, [(0, 3, 4)], 2)
    np.testing.assert_array_equal(net.hessian_rows(image, np.array([[0, 3, 4]]), 2), rows)


def test_settings_are_the_programs(net):
    settings = hsets.Settings.paper(mu=0.3, nu=500)
    assert settings == hsets.Settings.paper().replace(nu=500, mu=0.3) != hsets.Settings.paper()
    detection = settings.to_dict()["detection"]
    assert detection["mu"] == 0.3 and detection["nu"] == 500
    assert "mu=0.3" in repr(settings)
    adaptive = hsets.Settings.paper(quadrature="riemann", steps="auto").to_dict()
    assert adaptive["ig"]["quadrature"] == "riemann"


def test_what_should_be_known_is_logged(tiny, caplog):
    hsets.load(tiny)
    assert "ImageNet" in caplog.text
    caplog.clear()
    hsets.load(tiny, mean=[0.5] * 3, std=[0.5] * 3)
    assert not caplog.text


def test_progress_is_drawn_by_tqdm(net, image, monkeypatch):
    drawn = []

    class Bar:
        def __init__(self, desc, total, leave):
            drawn.append([desc, total, 0])

        def update(self, n):
            drawn[-1][2] += n

        def close(self):
            drawn[-1].append("closed")

    monkeypatch.setitem(sys.modules, "tqdm", types.ModuleType("tqdm"))
    monkeypatch.setitem(sys.modules, "tqdm.auto", types.SimpleNamespace(tqdm=Bar))
    net.attribute(image, 2, "hsets", progress=True)
    assert drawn and all(bar[-1] == "closed" for bar in drawn)
    assert any(bar[1] and bar[1] == bar[2] for bar in drawn), drawn
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match="pip install tqdm"):
        net.attribute(image, 2, progress=True)


def test_threads_share_a_network(net, image):
    expected = net.attribute(image, 2)
    found = [None] * 4

    def work(i):
        found[i] = net.attribute(image, 2)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    for one in found:
        np.testing.assert_array_equal(one, expected)


def test_the_number_of_threads_does_not_matter(net, image):
    found = []
    for n in (1, 3):
        hsets.set_threads(n)
        found.append(net.attribute(image, 2, method="hsets"))
    hsets.set_threads(0)
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_computes(net, image):
    expected = net.attribute(image, 2)
    child = os.fork()
    if child == 0:
        same = False
        try:
            same = np.array_equal(net.attribute(image, 2), expected)
            hsets.bundled().explain(hsets.example_picture(), segments="grid:4").html()
        finally:
            os._exit(0 if same else 1)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.05)
    os.kill(child, 9)
    pytest.fail("the child hangs")


def test_other_threads_run_meanwhile(net, image):
    """The lock of the interpreter is released while the engine computes."""
    ticks, done = [], threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    start = time.monotonic()
    net.attribute(image, 2, settings=hsets.Settings.paper(steps=300))
    end = time.monotonic()
    done.set()
    thread.join()
    inside = [at for at in ticks if start < at < end]
    assert len(inside) > 5


def test_ctrl_c_stops_soon(picture):
    """In a process of its own, since the signal is the process's."""
    program = (
        "import hsets, os, signal, threading, time\n"
        # Ignored in whatever a shell starts in the background.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "net = hsets.bundled()\n"
        "x = net.preprocess(hsets.example_picture())\n"
        "threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "start = time.monotonic()\n"
        "try:\n"
        "    net.attribute(x, 2, settings=hsets.Settings.paper(steps=200000))\n"
        "except KeyboardInterrupt:\n"
        "    print(time.monotonic() - start - 0.5)\n"
    )
    command = [sys.executable, "-c", program]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    assert float(found.stdout) < 2.0


def _in_a_process_of_its_own(program):
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    return [float(number) for number in found.stdout.split()]


MEMORY = """
import hsets, numpy as np, re, sys
hsets.set_threads(1)
net = hsets.bundled()
x = net.preprocess(hsets.example_picture())
def memory(what):
    return int(re.search(what + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""
needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="no /proc here")


@needs_proc
def test_a_thousand_calls_leak_nothing(tiny):
    """One array of 48 KiB a call that stays would be 48 MiB, five of 5 KiB 25 MiB."""
    before, after, references = _in_a_process_of_its_own(MEMORY + """
tiny = hsets.load(%r, like="resnet18")
small = np.zeros(tiny.shape, np.float32)
def call():
    net.logits(x)
    net.preprocess(x)
    net.preprocess(x.astype(np.float64))
    for _ in range(5):
        tiny.gradient(small, 2)
        tiny.hessian_rows(small, [(0, 0, 0)], 2)
        tiny.attribute(small, 2, "gradient")
    found = tiny.explain(small, 2, method="gradient", segments="grid:2")
    found.map, found.segments, found.image, found.target
    try:
        net.logits(x[:, :5])
    except ValueError:
        pass
for _ in range(100):
    call()
references, before = sys.getrefcount(x), memory("VmRSS")
for _ in range(1000):
    call()
print(before, memory("VmRSS"), sys.getrefcount(x) - references)
""" % str(tiny))
    assert after - before < 12 * 1024
    assert references == 0


@needs_proc
def test_a_contiguous_batch_is_not_copied():
    """The peak of memory tells: it grows by the size of the batch where there is a copy."""
    size, borrowed, copied = _in_a_process_of_its_own(MEMORY + """
batch = np.repeat(x[None], 512, axis=0)
other = batch.astype(np.float64)
net.logits(batch[:32])
start = memory("VmHWM")
net.logits(batch)
borrowed = memory("VmHWM")
net.logits(other)
print(batch.nbytes / 1024, borrowed - start, memory("VmHWM") - borrowed)
""")
    assert borrowed < 0.2 * size
    assert copied > 0.8 * size


def test_it_imports_fast():
    """numpy included; in time of the processor, since others may keep the machine busy."""
    program = "import time; start = time.process_time(); import hsets; print(time.process_time() - start)"
    assert min(_in_a_process_of_its_own(program)[0] for _ in range(5)) < 0.2


def test_a_call_costs_less_than_a_millisecond(tiny):
    """On a network of a few thousand multiply-adds nearly all of a call is the call. Others may
    keep the machine busy: the fastest tenth counts."""
    net = hsets.load(tiny, like="resnet18")
    x = np.zeros((1, *net.shape), np.float32)
    times = []
    for _ in range(200):
        start = time.perf_counter()
        net.logits(x)
        times.append(time.perf_counter() - start)
    assert sorted(times)[len(times) // 10] < 1e-3


@pytest.mark.parametrize(
    "call",
    [
        lambda net, x: net.logits(x),
        lambda net, x: net.gradient(x, 1),
        lambda net, x: net.hessian_rows(x, [(0, 0, 0)], 1),
        lambda net, x: net.attribute(x, 1, "gradient"),
        lambda net, x: net.explain(x, 1, method="gradient", segments="grid:2"),
    ],
)
def test_no_kind_of_call_costs_a_millisecond(tiny, call):
    """The same in time of the processor, of all threads: the least, since others take its caches."""
    net = hsets.load(tiny, like="resnet18")
    x = np.zeros(net.shape, np.float32)
    times = []
    for _ in range(200):
        start = time.process_time()
        call(net, x)
        times.append(time.process_time() - start)
    assert min(times) < 1e-3
