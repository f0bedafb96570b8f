"""`torch._higher_order_ops`: loops as functions of functions."""

import warnings

import torch
from torch._higher_order_ops import associative_scan, map, scan, while_loop

warnings.simplefilter("ignore")
grid = torch.arange(6.0).reshape(3, 2)

for use in (
    lambda: map(lambda r, y: (r + y, {"sum": r.sum()}), grid, torch.ones(2)),
    lambda: map(lambda r: r + 1, torch.ones(0, 2)),
    lambda: map(lambda r: r[0], (grid, torch.ones(2, 2))),
    lambda: scan(lambda c, x: ({"s": c["s"] + x}, c["s"] * 2), {"s": torch.zeros(2)}, grid, reverse=True),
    lambda: scan(lambda c, x: (c + x, c * 2), torch.zeros(3), grid, dim=1),
    lambda: scan(lambda c, x: c, 3, grid),
    lambda: scan(lambda c, x: (c, x), torch.zeros(2), []),
    lambda: associative_scan(lambda a, b: a + b, grid, 1, reverse=True, combine_mode="generic"),
    lambda: associative_scan(lambda a, b: (a[0] * b[0], a[1] * b[0] + b[1]), (grid, grid), 0, combine_mode="generic"),
    lambda: associative_scan(lambda a, b: a + b, grid, 0),
    lambda: while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 2), (torch.tensor(0), torch.ones(2))),
    lambda: while_loop(lambda i: i < 3, lambda i: i + 1, (torch.tensor(0),)),
    lambda: torch.while_loop(3, 4, (torch.ones(1),)),
    lambda: torch.cond(torch.tensor(True), lambda x: x + 1, lambda x: x - 1, (torch.ones(1),)),
):
    try:
        print(use())
    except Exception as e:
        print(type(e).__name__, e)
