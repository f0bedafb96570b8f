"""`torchvision.transforms.v2`: transforms of samples of any structure, with images, masks, boxes and key points in them.

    functional    the same as functions, which go by what a tensor says that it holds (`torchvision.tv_tensors`)
"""

from torchish.vision.transforms.autoaugment import AutoAugmentPolicy
from torchish.vision.transforms.functional import InterpolationMode
from torchish.vision.transforms.v2 import _appearance, _containers, _detection, _geometric, _policies, functional
from torchish.vision.transforms.v2._appearance import *  # noqa: F403
from torchish.vision.transforms.v2._containers import *  # noqa: F403
from torchish.vision.transforms.v2._detection import *  # noqa: F403
from torchish.vision.transforms.v2._geometric import *  # noqa: F403
from torchish.vision.transforms.v2._mixing import CutMix, MixUp
from torchish.vision.transforms.v2._policies import *  # noqa: F403
from torchish.vision.transforms.v2._samples import (
    Transform,
    check_type,
    get_bounding_boxes,
    get_keypoints,
    has_all,
    has_any,
    query_chw,
    query_size,
)

__all__ = ["AutoAugmentPolicy", "CutMix", "InterpolationMode", "MixUp", "Transform", "check_type", "functional"]
__all__ += ["get_bounding_boxes", "get_keypoints", "has_all", "has_any", "query_chw", "query_size"]
for _part in (_appearance, _containers, _detection, _geometric, _policies):
    __all__ += _part.__all__
