"""torchish.vision.transforms draws and computes what torchvision 0.28 does: the numbers below are torchvision's."""

import numpy as np
import pytest
from PIL import Image

import torchish as torch
from torchish.vision import models, ops, utils
from torchish.vision import transforms as T
from torchish.vision.transforms import v2

A = np.random.default_rng(0).integers(0, 256, (5, 6, 3), dtype=np.uint8)
IMAGE = Image.fromarray(A).resize((24, 20), 2)


def summary(x):
    a = np.asarray(x.numpy() if isinstance(x, torch.Tensor) else x).astype(np.float64)
    return f"{a.mean():.4f} {(a * np.sin(np.arange(a.size) + 1).reshape(a.shape)).mean():.4f}"


GOLDEN = [
    (T.RandomCrop(20, padding=4), "123.8667 0.0695"),
    (T.RandomResizedCrop(12), "125.4398 0.3024"),
    (T.RandomRotation(30), "114.7229 0.1397"),
    (T.RandomAffine(20, (0.1, 0.2), (0.8, 1.2), 10), "125.3569 -0.0112"),
    (T.RandomPerspective(p=1.0), "95.9444 0.1667"),
    (T.ColorJitter(0.4, 0.3, 0.2, 0.1), "154.8792 0.0967"),
    (T.GaussianBlur(3), "131.0299 0.0554"),
    (T.AutoAugment(), "186.2382 0.0471"),
    (T.RandAugment(), "118.1417 0.0870"),
    (T.TrivialAugmentWide(), "127.7229 0.0425"),
    (T.AugMix(all_ops=False), "121.7535 0.2889"),
    (T.Compose([T.Resize(12), T.ToTensor(), T.RandomErasing(1.0, value="random")]), "0.4365 -0.0095"),
]


@pytest.mark.parametrize(("transform", "expected"), GOLDEN, ids=[repr(t) for t, _ in GOLDEN])
def test_seeded_transforms_give_torchvisions_images(transform, expected):
    torch.manual_seed(1)
    assert summary(transform(IMAGE)) == expected


def test_tensors_and_images_agree():
    x = T.PILToTensor()(IMAGE)
    for t in (T.CenterCrop(10), T.Pad((1, 2, 3, 4), padding_mode="reflect"), T.RandomHorizontalFlip(1.0), T.CenterCrop((30, 12))):
        assert np.array_equal(t(x).numpy(), T.PILToTensor()(t(IMAGE)).numpy())


def test_normalize_has_a_gradient():
    x = torch.ones(3, 2, 2, requires_grad=True)
    T.Normalize([0.5] * 3, [0.5] * 3)(x).sum().backward()
    assert torch.equal(x.grad, torch.full((3, 2, 2), 2.0))


def test_v2_leaves_labels_alone():
    t = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5], [0.5])])
    image, label = t(IMAGE, 7)
    assert label == 7 and image.dtype == torch.float32
    assert repr(t).startswith("Compose(\n      ToImage()\n      ToDtype(scale=True)\n")


@pytest.mark.parametrize("adjust", ["brightness", "contrast", "saturation", "sharpness"])
def test_whole_factors_do_not_wrap_around_in_bytes(adjust):
    adjust = getattr(T.functional, f"adjust_{adjust}")
    x = T.PILToTensor()(IMAGE)
    assert torch.equal(adjust(x, 2), adjust(x, 2.0)) and adjust(x, 2).max() == 255


def test_mixing_a_batch():
    images, labels = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 3, 8, 8), torch.arange(4)
    torch.manual_seed(3)
    mixed, shares = v2.MixUp(num_classes=5)(images, labels)
    lam = shares[1, 1]
    torch.testing.assert_close(shares, lam * torch.eye(4, 5) + (1 - lam) * torch.eye(4, 5).roll(1, 0))
    torch.testing.assert_close(mixed, lam * images + (1 - lam) * images.roll(1, 0))
    sample = v2.CutMix(num_classes=5)({"images": images, "labels": labels})
    from_before = sample["images"][1] == 0  # the image before it is all 0
    assert 0 < from_before.float().mean() < 1
    torch.testing.assert_close(sample["labels"][1, 0], from_before.float().mean())
    with pytest.raises(ValueError, match="num_classes must be passed"):
        v2.MixUp()(images, labels)
    with pytest.raises(ValueError, match="does not support PIL images"):
        v2.CutMix(num_classes=5)(IMAGE, labels)


def test_models_by_name():
    assert "resnet18" in models.list_models() and models.list_models(include="vgg*_bn") == ["vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"]
    assert models.get_weight("ResNet50_Weights.DEFAULT") is models.ResNet50_Weights.IMAGENET1K_V2
    assert sum(p.numel() for p in models.resnet18().parameters()) == models.ResNet18_Weights.DEFAULT.meta["num_params"]


def test_weights_are_loaded_from_the_hubs_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    published = models.squeezenet1_1()
    torch.save(published.state_dict(), tmp_path / "hub" / "checkpoints" / "squeezenet1_1-b8a52dc0.pth")
    loaded = models.squeezenet1_1(weights="DEFAULT")
    assert torch.equal(loaded.features[0].weight, published.features[0].weight)


def test_boxes():
    boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 1.9], [3, 3, 4, 4]])
    assert ops.nms(boxes, torch.tensor([0.5, 0.9, 0.1]), 0.5).tolist() == [1, 2]
    assert ops.box_iou(boxes[:1], boxes)[0].tolist() == pytest.approx([1, 0.95, 0])
    assert ops.box_convert(boxes[2:], "xyxy", "cxcywh").tolist() == [[3.5, 3.5, 1, 1]]
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert ops.roi_align(x, [torch.tensor([[0.0, 0, 2, 2]])], 1, sampling_ratio=2).item() == pytest.approx(5.0)
    assert ops.roi_pool(x, [torch.tensor([[0.0, 0, 1, 1]])], 2).flatten().tolist() == [0, 1, 4, 5]


def test_make_grid():
    grid = utils.make_grid(torch.ones(5, 1, 4, 4), nrow=3, pad_value=0.5)
    assert grid.shape == (3, 14, 20) and grid[0, 0, 0] == 0.5 and grid[0, 2, 2] == 1
