"""Networks of PyTorch, and the habits of captum and Quantus."""

import numpy as np
import pytest

import hsets

torch = pytest.importorskip("torch")


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


def test_logits_and_gradients_are_the_modules(module, batch, brought):
    expected = module(batch).detach().numpy()
    np.testing.assert_allclose(brought.logits(batch), expected, atol=1e-5)
    x = batch.clone().requires_grad_()
    module(x)[:, 3].sum().backward()
    np.testing.assert_allclose(brought.gradient(batch, 3), x.grad.numpy(), atol=1e-6)


def test_integrated_gradients_are_captums(module, batch, brought):
    captum = pytest.importorskip("captum.attr")
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
    ],
)
def test_what_cannot_be_brought_is_said(module, batch, make, error, says):
    with pytest.raises(error) as raised:
        make(module, batch)
    assert says in str(raised.value)


@pytest.mark.filterwarnings("ignore")
def test_quantus_takes_the_explanations(module, batch):
    quantus = pytest.importorskip("quantus")
    x, y = batch.numpy(), np.array([3, 1])
    options = {"explain_func": hsets.quantus_explain, "explain_func_kwargs": {"method": "ig"}}
    sparseness = quantus.Sparseness(disable_warnings=True)(
        model=module, x_batch=x, y_batch=y, **options
    )
    assert all(0 <= value <= 1 for value in sparseness)
    flipping = quantus.PixelFlipping(
        features_in_step=96, disable_warnings=True, perturb_baseline="black"
    )(model=module, x_batch=x, y_batch=y, **options)
    assert np.isfinite(np.asarray(flipping, dtype=float)).all()
    mprt = quantus.MPRT(disable_warnings=True)(model=module, x_batch=x, y_batch=y, **options)
    assert mprt is not None
