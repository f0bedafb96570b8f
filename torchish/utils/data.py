"""`torch.utils.data`: the module `torchish.data` itself, under PyTorch's name."""

import sys

from torchish import data

for _name, _module in list(sys.modules.items()):
    if _name == "torchish.data" or _name.startswith("torchish.data."):
        sys.modules["torchish.utils" + _name.removeprefix("torchish")] = _module
assert sys.modules[__name__] is data
