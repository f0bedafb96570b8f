"""Loops that PyTorch can compile, as functions of functions. Here they are Python's loops over operations that are compiled."""

from torchish._higher_order_ops.associative_scan import associative_scan
from torchish._higher_order_ops.cond import cond
from torchish._higher_order_ops.map import map
from torchish._higher_order_ops.scan import scan
from torchish._higher_order_ops.while_loop import while_loop

__all__ = ["associative_scan", "cond", "map", "scan", "while_loop"]
