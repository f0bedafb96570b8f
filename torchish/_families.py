"""Imports every family of operations, so that their declarations are registered."""

# ruff: noqa: F401
from torchish._tensor import creation, methods, random, views
from torchish.ops import pointwise
