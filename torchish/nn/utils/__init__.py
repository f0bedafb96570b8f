"""Utilities for modules and their gradients."""

from torchish.nn.utils import rnn

__all__ = ["rnn"]
