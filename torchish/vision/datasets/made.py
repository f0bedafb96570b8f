"""Datasets that need no files: random images, and scikit-learn's digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from torchish.vision._optional import pil
from torchish.vision.datasets.vision import VisionDataset


class FakeData(VisionDataset):
    """Random images and labels, the same ones for the same index, as Pillow images."""

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(transform=transform, target_transform=target_transform)
        self.size, self.num_classes, self.image_size, self.random_offset = size, num_classes, image_size, random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """A random image and label, made from the seed `index + random_offset`. IndexError past the end."""
        import torchish as torch
        from torchish.vision.transforms.functional import to_pil_image

        if index >= len(self):
            raise IndexError(f"{type(self).__name__} index out of range")
        state = torch.get_rng_state()
        torch.manual_seed(index + self.random_offset)
        image = torch.randn(*self.image_size)
        target = int(torch.randint(0, self.num_classes, size=(1,)))
        torch.set_rng_state(state)
        return self._transformed(to_pil_image(image), target)

    def __len__(self) -> int:
        return self.size


class Digits(VisionDataset):
    """The 1,797 handwritten digits that come with scikit-learn: 8x8 grey images of Pillow's, and their labels.

    Without a network. `train` takes the first 1,437, otherwise the last 360; None takes all. `data` is an array
    (N, 8, 8), uint8, the 17 shades of the digits spread over 0 to 255.
    """

    classes = [str(i) for i in range(10)]
    held_out = 360

    def __init__(
        self, train: bool | None = True, transform: Callable | None = None, target_transform: Callable | None = None
    ) -> None:
        super().__init__(transform=transform, target_transform=target_transform)
        try:
            from sklearn.datasets import load_digits
        except ModuleNotFoundError as e:
            raise ImportError("Digits come with scikit-learn, which is missing: pip install scikit-learn", name="sklearn") from e
        self.train = train
        digits: Any = load_digits()
        part = {True: slice(0, -self.held_out), False: slice(-self.held_out, None)}.get(train, slice(None))  # type: ignore[arg-type]
        self.data = np.rint(digits.images[part] * (255 / 16)).astype(np.uint8)
        self.targets = [int(t) for t in digits.target[part]]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """The image and label at `index`."""
        return self._transformed(pil().fromarray(self.data[index]), self.targets[index])

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: { {True: 'Train', False: 'Test', None: 'All'}[self.train] }"
