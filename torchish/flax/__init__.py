"""Flax both ways: torchish modules as Flax modules, Flax modules as torchish ones, and weights carried over.

    net, variables = torchish.flax.to_flax(model)              # flax.linen; api="nnx" for flax.nnx
    logits = net.apply(variables, images)
    model = torchish.flax.to_torch(model, variables)           # back, with the trained values

    model = torchish.flax.from_flax(flax_module, variables)    # a torch.nn.Module that trains with torch.optim
"""

from torchish.flax.from_flax import from_flax, variables_of
from torchish.flax.lenet import LeNet
from torchish.flax.to_flax import to_flax, to_torch
from torchish.flax.weights import state_dict_from_variables, variables_from_state_dict

__all__ = ["LeNet", "from_flax", "state_dict_from_variables", "to_flax", "to_torch", "variables_from_state_dict", "variables_of"]
