"""Flax: the seeds' LeNet as a Flax module, and weights carried between Flax and torchish.

    lenet = torchish.flax.LeNet(in_channels=1)
    variables = torchish.flax.variables_from_state_dict(model.state_dict())
    logits = lenet.apply(variables, images)          # images as PyTorch has them, (N, C, 32, 32)
    model.load_state_dict(torchish.flax.state_dict_from_variables(variables))
"""

from torchish.flax.lenet import LeNet
from torchish.flax.weights import state_dict_from_variables, variables_from_state_dict

__all__ = ["LeNet", "state_dict_from_variables", "variables_from_state_dict"]
