"""torchish.vision.transforms draws and computes what torchvision 0.28 does: the numbers below are torchvision's."""

import pickle
import re
import warnings
from urllib.error import URLError

import numpy as np
import pytest
from PIL import Image

import torchish as torch
from torchish.vision import models, ops, tv_tensors, utils
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


def test_one_channel_in_shades_of_gray():
    x = T.ToTensor()(IMAGE.convert("L"))
    assert torch.equal(T.functional.rgb_to_grayscale(x, 3), x)
    assert torch.equal(v2.functional.rgb_to_grayscale(x, 3), x.expand(3, -1, -1))


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


NETWORKS = [
    (lambda: models.densenet121(num_classes=5, drop_rate=0.2), 40, -2.866516, 0.600461),
    (lambda: models.inception_v3(aux_logits=False, init_weights=False, transform_input=True), 80, -0.592241, 0.011954),
    (lambda: models.googlenet(aux_logits=False, init_weights=False, transform_input=True), 40, -2.140464, 0.015686),
]


@pytest.mark.parametrize(("build", "size", "total", "magnitude"), NETWORKS)
def test_networks_start_from_torchvisions_values(build, size, total, magnitude):
    torch.manual_seed(0)
    net = build().eval()
    with torch.no_grad():
        y = net(torch.randn(2, 3, size, size)).double()
    assert abs(y.sum().item() - total) < 1e-4 and abs(y.abs().mean().item() - magnitude) < 1e-5


def test_heads_in_the_middle_answer_in_training():
    with torch.device("meta"):
        x = torch.randn(2, 3, 299, 299)
        inception, googlenet = (m(num_classes=7, init_weights=False) for m in (models.inception_v3, models.googlenet))
        assert {n: t.shape for n, t in inception(x)._asdict().items()} == {"logits": (2, 7), "aux_logits": (2, 7)}
        assert list(googlenet(x)._asdict()) == ["logits", "aux_logits2", "aux_logits1"]
        assert inception.eval()(x).shape == googlenet.eval()(x).shape == (2, 7)
    with pytest.warns(FutureWarning, match="default weight initialization of inception_v3"), torch.device("meta"):
        models.inception_v3()


def test_published_weights_bring_heads_that_are_dropped_and_old_names(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    published = models.googlenet(init_weights=False)
    torch.save(published.state_dict(), folder / "googlenet-1378be20.pth")
    loaded = models.googlenet(weights="DEFAULT")
    assert loaded.aux1 is None and not loaded.aux_logits and loaded.transform_input
    assert torch.equal(loaded.fc.weight, published.fc.weight)
    with pytest.warns(UserWarning, match="are NOT pretrained"):
        assert models.googlenet(weights="DEFAULT", aux_logits=True).aux1 is not None
    with pytest.raises(ValueError, match="'init_weights' expected value False"):
        models.googlenet(weights="DEFAULT", init_weights=True)
    published = models.densenet121().state_dict()
    old = {re.sub(r"(denselayer\d+\.[a-z]+)(\d)", r"\1.\2", name): t for name, t in published.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, folder / "densenet121-a639ec97.pth")
    assert torch.equal(models.densenet121(weights="DEFAULT").classifier.weight, published["classifier.weight"])


def test_weights_are_loaded_from_the_hubs_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    published = models.squeezenet1_1()
    torch.save(published.state_dict(), tmp_path / "hub" / "checkpoints" / "squeezenet1_1-b8a52dc0.pth")
    loaded = models.squeezenet1_1(weights="DEFAULT")
    assert torch.equal(loaded.features[0].weight, published.features[0].weight)

    def refuse(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "urlopen", refuse)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "other"))
    with pytest.raises(URLError, match="no network .*a copy of the file at .*other/checkpoints/squeezenet1_1-b8a52dc0.pth will do"):
        models.squeezenet1_1(weights="DEFAULT")


@pytest.mark.parametrize(
    ("args", "kwargs", "warned"),
    [
        ((), {"weights": None, "progress": False}, []),
        ((None,), {}, ["Using 'weights' as positional"]),
        ((None, True), {}, ["Using 'weights' and 'progress' as positional"]),
        ((), {"pretrained": False}, ["The parameter 'pretrained' is deprecated since 0.13", "equivalent to passing `weights=None`."]),
        ((False,), {}, ["Using 'weights' as positional parameter(s)", "equivalent to passing `weights=None`."]),
    ],
)
def test_how_models_were_asked_for_before_weights_had_names(args, kwargs, warned):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert type(models.squeezenet1_1(*args, **kwargs)).__name__ == "SqueezeNet"
    assert len(caught) == len(warned)
    for warning, text in zip(caught, warned, strict=True):
        assert warning.category is UserWarning and text in str(warning.message)


def test_pretrained_weights_are_the_first_that_were_published(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    published = models.squeezenet1_1()
    torch.save(published.state_dict(), tmp_path / "hub" / "checkpoints" / "squeezenet1_1-b8a52dc0.pth")
    for args, kwargs in [((), {"pretrained": True}), ((True,), {})]:
        with pytest.warns(UserWarning, match=r"equivalent to passing `weights=SqueezeNet1_1_Weights.IMAGENET1K_V1`\. You can also use"):
            loaded = models.squeezenet1_1(*args, **kwargs)
        assert torch.equal(loaded.features[0].weight, published.features[0].weight)
    with pytest.raises(ValueError, match="No weights available for model vit_h_14"):
        models.vit_h_14(pretrained=True)
    with pytest.raises(TypeError, match="unexpected keyword argument 'pretrained'"):
        models.squeezenet1_1(weights=None, pretrained=True)


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


def sample():
    """What a detection data set gives."""
    mask = torch.zeros(20, 24, dtype=torch.uint8)
    mask[4:10, 3:15], mask[12:, 10:] = 1, 2
    boxes = [[2.0, 3, 10, 12], [5, 5, 20, 18], [0, 1, 6, 7]]
    return {
        "image": tv_tensors.Image(IMAGE),
        "boxes": tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=(20, 24)),
        "labels": torch.tensor([1, 2, 3]),
        "mask": tv_tensors.Mask(mask),
    }


WHOLE_SAMPLES = [
    (v2.RandomHorizontalFlip(1.0),
     ("131.0333 -0.0483", [14.0, 3.0, 22.0, 12.0, 4.0, 5.0, 19.0, 18.0, 18.0, 1.0, 24.0, 7.0], (20, 24), "0.6167 -0.0056")),
    (v2.RandomResizedCrop(12),
     ("125.4398 -1.4402", [0.75, 0.0, 6.75, 7.71, 3.0, 1.71, 12.0, 12.0, 0.0, 0.0, 3.75, 3.43], (12, 12), "0.5903 -0.0143")),
    (v2.RandomCrop(20, padding=3),
     ("111.7975 -0.2732", [2.0, 6.0, 10.0, 15.0, 5.0, 8.0, 20.0, 20.0, 0.0, 4.0, 6.0, 10.0], (20, 20), "0.4300 0.0031")),
    (v2.RandomRotation(40, expand=True),
     ("74.7512 -0.0259", [2.93, 7.74, 13.58, 18.98, 6.44, 6.09, 25.06, 23.54, 0.35, 7.27, 8.08, 15.0],
      (28, 31), "0.3524 -0.0034")),
    (v2.RandomAffine(20, (0.1, 0.2), (0.8, 1.2), 10),
     ("125.3569 -0.0230", [0.2, 0.0, 8.97, 10.83, 3.33, 2.09, 19.7, 19.43, 0.0, 0.0, 4.7, 4.5], (20, 24), "0.6687 0.0020")),
    (v2.RandomPerspective(p=1.0),
     ("94.6257 -0.0496", [4.87, 2.91, 12.14, 11.88, 7.42, 4.93, 20.61, 17.99, 3.1, 0.94, 8.42, 6.89], (20, 24), "0.4688 0.0035")),
    (v2.ElasticTransform(60.0, 3.0),
     ("93.7618 0.9104", [0.36, 3.9, 11.56, 11.81, 2.26, 4.97, 20.73, 17.86, 0.0, 2.19, 3.89, 6.46], (20, 24), "0.3500 0.0039")),
    (v2.RandomIoUCrop(),
     ("126.4939 1.0295", [0.0, 0.0, 7.0, 7.0, 2.0, 0.0, 17.0, 11.0, 0.0, 0.0, 0.0, 0.0], (11, 20), "0.7455 -0.0062")),
    (v2.RandomZoomOut(p=1.0),
     ("39.7071 -0.6117", [10.0, 14.0, 18.0, 23.0, 13.0, 16.0, 28.0, 29.0, 8.0, 12.0, 14.0, 18.0], (36, 44), "0.1869 0.0122")),
    (v2.ColorJitter(0.4, 0.3, 0.2, 0.1),
     ("154.7368 0.1495", [2.0, 3.0, 10.0, 12.0, 5.0, 5.0, 20.0, 18.0, 0.0, 1.0, 6.0, 7.0], (20, 24), "0.6167 0.0011")),
    (v2.RandomPhotometricDistort(p=0.9),
     ("121.4458 0.4094", [2.0, 3.0, 10.0, 12.0, 5.0, 5.0, 20.0, 18.0, 0.0, 1.0, 6.0, 7.0], (20, 24), "0.6167 0.0011")),
    (v2.Resize(None, max_size=15),
     ("131.0630 -0.5664", [1.25, 1.8, 6.25, 7.2, 3.12, 3.0, 12.5, 10.8, 0.0, 0.6, 3.75, 4.2], (12, 15), "0.4889 -0.0034")),
]

POLICIES = [
    (v2.AutoAugment(), "186.2382 -1.3692"),
    (v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10), "139.9611 -2.1782"),
    (v2.RandAugment(), "117.9972 -0.1411"),
    (v2.TrivialAugmentWide(), "133.7132 0.0969"),
    (v2.AugMix(all_ops=False), "121.5104 0.1097"),
]

BOX_LOSSES = [
    ("generalized_box_iou_loss", [0.7667, 1.0333, 0.9446]),
    ("distance_box_iou_loss", [0.7199, 0.9289, 0.7528]),
    ("complete_box_iou_loss", [0.72, 0.929, 0.7528]),
]


@pytest.mark.parametrize(("transform", "expected"), WHOLE_SAMPLES, ids=[type(t).__name__ for t, _ in WHOLE_SAMPLES])
def test_v2_transforms_images_boxes_and_masks_alike(transform, expected):
    torch.manual_seed(1)
    out = transform(sample())
    boxes = [round(v, 2) for v in out["boxes"].flatten().tolist()]
    assert (summary(out["image"]), boxes, tuple(out["boxes"].canvas_size), summary(out["mask"])) == expected
    assert isinstance(out["image"], tv_tensors.Image) and isinstance(out["mask"], tv_tensors.Mask)
    assert out["labels"].tolist() == [1, 2, 3]


def test_v2_leaves_out_what_is_no_box_any_more():
    data = sample()
    data["boxes"][1] = 0
    out = v2.SanitizeBoundingBoxes()(data)
    assert out["labels"].tolist() == [1, 3] and out["boxes"].shape == (2, 4)


def test_v2_draws_policies_as_torchvision_does():
    x = T.PILToTensor()(IMAGE)
    for transform, expected in POLICIES:
        torch.manual_seed(1)
        assert summary(transform(x)) == expected


def test_bytes_are_resized_in_whole_numbers():
    torch.manual_seed(0)
    x = torch.randint(0, 256, (3, 17, 23), dtype=torch.uint8)
    sums = [int(v2.Resize(size, interpolation=mode)(x).long().sum()) for mode in ("bilinear", "bicubic") for size in ((8, 9), (30, 40))]
    assert sums == [27022, 449963, 27015, 449975]  # torchvision's


def test_tensors_that_say_what_they_hold():
    image = tv_tensors.Image(torch.zeros(3, 2, 2))
    assert type(image + 1) is torch.Tensor and type(image.clone()) is tv_tensors.Image and type(image.to(torch.float64)) is tv_tensors.Image
    assert type(pickle.loads(pickle.dumps(image))) is tv_tensors.Image
    boxes = tv_tensors.BoundingBoxes([1, 2, 3, 4], format="xywh", canvas_size=(9, 9))
    assert repr(boxes).endswith("format=BoundingBoxFormat.XYWH, canvas_size=(9, 9), clamping_mode=soft)")
    with tv_tensors.set_return_type("TVTensor"):
        assert (boxes * 2).canvas_size == (9, 9)
    assert type(boxes * 2) is torch.Tensor
    assert v2.functional.convert_bounding_box_format(boxes, new_format="XYXY").tolist() == [[1, 2, 4, 6]]


def test_ones_own_kind_of_tensor_has_its_own_kernel():
    class Own(tv_tensors.TVTensor):
        pass

    @v2.functional.register_kernel("hflip", Own)
    def flip(own):
        return torch.as_tensor(own) + 1

    assert v2.RandomHorizontalFlip(1.0)(torch.zeros(2).as_subclass(Own)).tolist() == [1, 1]
    assert v2.RandomVerticalFlip(1.0)(torch.zeros(2).as_subclass(Own)).tolist() == [0, 0]


def test_losses_of_boxes():
    a = torch.tensor([[0.0, 0, 4, 4], [1, 1, 3, 5]], requires_grad=True)
    b = torch.tensor([[1.0, 1, 5, 6], [2, 0, 4, 3]])
    for loss, expected in BOX_LOSSES:
        a.grad = None
        value = getattr(ops, loss)(a, b)
        value.sum().backward()
        assert np.allclose([*value.tolist(), a.grad.abs().sum().item()], expected, atol=1e-4), loss


def test_masks_are_drawn_in_their_colors():
    masks = torch.zeros(2, 2, 3, dtype=torch.bool)
    masks[0, :, :2], masks[1, 0, 1:] = True, True
    out = utils.draw_segmentation_masks(torch.full((3, 2, 3), 100, dtype=torch.uint8), masks, alpha=0.5, colors=["red", (0, 0, 255)])
    assert out.tolist() == [[[177, 50, 50], [177, 177, 100]], [[50, 50, 50], [50, 50, 100]], [[50, 50, 177], [50, 50, 100]]]
