"""Networks of PyTorch, and the habits of captum and Quantus."""

import numpy as np
import pytest

import hsets

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("onnx", reason="onnx is not installed: torch exports with it")


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(3)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 5, padding=2),
        torch.nn.BatchNorm2d(8),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(8, 12, 3, padding=1),
        torch.nn.GELU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(12, 5),
    ).eval()


@pytest.fixture(scope="module")
def batch():
    return torch.randn(2, 3, 24, 24, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def brought(module, batch):
    return hsets.from_torch(module, batch[:1])


class Sorted(torch.nn.Module):
    """Has no derivative that ONNX knows of."""

    def forward(self, x):
        return torch.linalg.svdvals(x.mean(dim=1))


def test_logits_and_gradients_are_the_modules(module, batch, brought):
    expected = module(batch).detach().numpy()
    np.testing.assert_allclose(brought.logits(batch), expected, atol=1e-5)
    x = batch.clone().requires_grad_()
    module(x)[:, 3].sum().backward()
    np.testing.assert_allclose(brought.gradient(batch, 3), x.grad.numpy(), atol=1e-6)


def test_a_sigmoid_at_the_end_means_classes_that_stand_by_themselves(module, batch, brought):
    expected = torch.sigmoid(module(batch))
    ended = hsets.from_torch(torch.nn.Sequential(module, torch.nn.Sigmoid()), batch[:1])
    typed = hsets.from_torch(module, batch[:1], probabilities="sigmoid")
    assert (brought.probabilities, ended.probabilities, typed.probabilities) == (
        "softmax",
        "sigmoid",
        "sigmoid",
    )
    picture = np.random.default_rng(5).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    for network in (ended, typed):
        np.testing.assert_allclose(network.logits(batch), module(batch).detach(), atol=1e-5)
        x = batch.clone().requires_grad_()
        torch.nn.functional.logsigmoid(module(x))[:, 3].sum().backward()
        found = network.gradient(batch, "logprob:3")
        np.testing.assert_allclose(found, x.grad.numpy(), atol=1e-6)
        for one in network.predict(picture):
            assert one.probability == pytest.approx(1 / (1 + np.exp(-one.logit)), abs=1e-6)
    assert float(expected.max()) < 1
    softmax = hsets.from_torch(torch.nn.Sequential(module, torch.nn.Softmax(1)), batch[:1])
    assert softmax.probabilities == "softmax"
    np.testing.assert_allclose(softmax.logits(batch), brought.logits(batch), atol=1e-6)
    with pytest.raises(ValueError, match="softmax"):
        hsets.from_torch(module, batch[:1], probabilities="relu")


def test_integrated_gradients_are_captums(module, batch, brought):
    captum = pytest.importorskip("captum.attr", reason="captum is not installed")
    expected = captum.IntegratedGradients(module).attribute(
        batch, target=3, n_steps=50, method="gausslegendre"
    )
    settings = hsets.Settings.reference()
    found = brought.attribute(batch, 3, settings=settings)
    np.testing.assert_allclose(found, expected.detach().numpy(), atol=1e-4)


def test_the_module_is_left_as_it_was(module, batch):
    module.train()
    hsets.from_torch(module, batch[:1])
    assert module.training and all(part.training for part in module.modules())
    module.eval()


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda m, x: hsets.from_torch("resnet", x), TypeError, "torch.nn.Module"),
        (lambda m, x: hsets.from_torch(m, x.long()), TypeError, "float"),
        (lambda m, x: hsets.from_torch(m, x[0, 0]), ValueError, "[1, C, H, W]"),
        (lambda m, x: hsets.from_torch(m[:4], x[:1]), TypeError, "logits"),
        (lambda m, x: hsets.from_torch(m), TypeError, "example"),
        (lambda m, x: hsets.from_torch(m, x[:1], labels=["a"]), ValueError, "1 labels"),
        (lambda m, x: hsets.from_torch(Sorted(), x[:1]), ValueError, "Sorted"),
    ],
)
def test_what_cannot_be_brought_is_said(module, batch, make, error, says):
    with pytest.raises(error) as raised:
        make(module, batch)
    assert says in str(raised.value)


def test_tensors_of_every_kind(module, batch, brought):
    expected = brought.logits(batch)
    halved = batch.to(torch.bfloat16)
    for given, same in (
        (batch.clone().requires_grad_(), expected),
        (batch.to(memory_format=torch.channels_last), expected),
        (batch.double(), expected),
        (halved, brought.logits(halved.float())),
    ):
        np.testing.assert_array_equal(brought.logits(given), same)
    by_class = brought.attribute(batch, torch.tensor([3, 1]))
    np.testing.assert_array_equal(by_class, brought.attribute(batch, [3, 1]))
    with pytest.raises(ValueError, match="meta"):
        brought.logits(torch.empty(1, 3, 24, 24, device="meta"))
    with pytest.raises(TypeError):
        brought.logits(batch.to_sparse())


def test_names_and_normalisation_come_along(module, batch, caplog):
    labels = ["a", "b", "c", "zebra", "e"]
    net = hsets.from_torch(module, batch[0], labels=labels, mean=[0.5] * 3, std=[0.25] * 3)
    assert net.labels == labels and net.mean == [0.5] * 3 and net.std == [0.25] * 3
    assert net.shape == (3, 24, 24) and net.name == "Sequential"
    np.testing.assert_array_equal(net.gradient(batch[0], "zebra"), net.gradient(batch[0], 3))
    assert not caplog.text
    hsets.from_torch(module, batch[0])
    assert "ImageNet" in caplog.text


def test_what_timm_states_is_taken(caplog):
    timm = pytest.importorskip("timm", reason="timm is not installed")
    torch.manual_seed(0)
    net = hsets.from_torch(timm.create_model("test_resnet", num_classes=4).eval())
    assert net.name == "test_resnet" and net.n_classes == 4
    stated = timm.create_model("test_resnet").pretrained_cfg
    assert net.shape == stated["input_size"]
    assert not caplog.text
    assert net.mean == pytest.approx(stated["mean"]) and net.std == pytest.approx(stated["std"])


def test_an_export_that_computes_something_else_is_refused(batch):
    class Counting(torch.nn.Module):
        calls = 0

        def forward(self, x):
            self.calls += 1
            return x.mean(dim=(2, 3)) * self.calls

    with pytest.raises(RuntimeError, match="logits differ"):
        hsets.from_torch(Counting(), batch[:1])


@pytest.mark.filterwarnings("ignore")
def test_quantus_takes_the_explanations(module, batch):
    quantus = pytest.importorskip("quantus", reason="quantus is not installed")
    x, y = batch.numpy(), np.array([3, 1])
    options = {
        "model": module,
        "x_batch": x,
        "y_batch": y,
        "explain_func": hsets.quantus_explain,
        "explain_func_kwargs": {"method": "ig"},
        "device": "cpu",
    }
    sparseness = quantus.Sparseness(disable_warnings=True)(**options)
    assert len(sparseness) == 2 and all(0 < value < 1 for value in sparseness)

    flipping = quantus.PixelFlipping(
        features_in_step=96, disable_warnings=True, perturb_baseline="black"
    )(**options)
    flipping = np.asarray(flipping, dtype=float)
    assert flipping.shape == (2, 18) and np.isfinite(flipping).all()

    mprt = quantus.MPRT(disable_warnings=True, layer_order="bottom_up")(**options)
    scores = np.asarray([scores for scores in mprt.values()], dtype=float)
    layers = [part for part in module.modules() if hasattr(part, "reset_parameters")]
    assert scores.shape == (1 + len(layers), 2)
    assert scores[0] == pytest.approx(1) and np.abs(scores).max() <= 1 + 1e-6
    assert scores[1:].max() < 0.99


def test_explain_func_takes_networks_too(module, batch, brought):
    x, y = batch.numpy(), np.array([3, 1])
    maps = hsets.quantus_explain(module, x, y, method="gradient", device="cpu")
    assert maps.shape == (2, 1, 24, 24)
    np.testing.assert_array_equal(hsets.quantus_explain(brought, x, y, method="gradient"), maps)
    scaled = hsets.quantus_explain(brought, x, y, method="gradient", abs=True, normalise=True)
    assert scaled.min() >= 0 and (scaled.max(axis=(1, 2, 3)) == 1).all()
