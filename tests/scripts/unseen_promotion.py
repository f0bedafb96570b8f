"""Data types: what arithmetic promotes to, casts, integer arithmetic, limits."""
import itertools

import torch

# a dimensioned tensor, a zero-dimensional one and a Python number each carry less weight than the one before
i8, i32, f16, f32, f64 = torch.int8, torch.int32, torch.float16, torch.float32, torch.float64
for a, b in itertools.combinations_with_replacement([torch.bool, torch.uint8, i8, i32, f16, torch.bfloat16, f32, f64], 2):
    print(a, b, (torch.ones(2, dtype=a) * torch.ones(2, dtype=b)).dtype, torch.promote_types(a, b))
print((torch.ones(2, dtype=i8) + torch.tensor(1000)).dtype, (torch.ones(2, dtype=i8) + 1.5).dtype)
print((torch.ones(2, dtype=f16) * torch.tensor(2.0, dtype=f64)).dtype, (torch.tensor(1, dtype=i32) + torch.tensor(1)).dtype)
print((torch.ones(2, dtype=torch.bool) + 1).dtype, (torch.ones(2, dtype=torch.bool) + True).dtype, (torch.ones(2) + 1j).dtype)
print(torch.result_type(torch.tensor([1, 2], dtype=torch.int), 1.0), torch.result_type(torch.tensor(1), torch.tensor([1.0])))
print(torch.can_cast(torch.double, torch.float), torch.can_cast(torch.float, torch.int), torch.can_cast(torch.int, torch.bool))

# results whose type is decided by the operation
n = torch.tensor([1, 2, 4])
print(n / 2, n // 2, n / n, torch.true_divide(n, 4), torch.floor_divide(torch.tensor([-7, 7]), 2))
print(torch.div(torch.tensor([-7, 7]), 2, rounding_mode="trunc"), torch.div(torch.tensor([-7., 7.]), 2, rounding_mode="floor"))
print(n.sum(), n.float().mean(), n.prod(), torch.sin(n), torch.sqrt(n), n.exp(), torch.sigmoid(n))
print(torch.tensor([True, True, False]).sum(), torch.tensor([1, 2], dtype=torch.uint8).sum(), torch.tensor([1, 2], dtype=torch.int8).cumsum(0))
print(n > 2, n == 2.0, (n > 1) & (n < 4), ~(n > 1), (n > 1) | (n == 1), (n > 1) ^ (n > 2))
print(n & 6, n | 1, n ^ 7, ~n, n << 2, n >> 1)
print(torch.bitwise_and(n, 3), torch.bitwise_or(n, 8), torch.bitwise_not(n), torch.bitwise_left_shift(n, n))
print(torch.logical_and(n, n - 1), torch.logical_not(n - 2), torch.logical_or(n > 3, n < 2), torch.logical_xor(n > 1, n > 2))

# integer arithmetic
a, b = torch.tensor([7, -7, 7, -7]), torch.tensor([3, 3, -3, -3])
print(a // b, a % b, torch.remainder(a, b), torch.fmod(a, b), a.float() % 3, divmod(7, 3))
print(torch.tensor([250, 5], dtype=torch.uint8) + 10, torch.tensor([127], dtype=torch.int8) + 1, -torch.tensor([1], dtype=torch.uint8))
print(2 ** n, n ** 2, n ** torch.tensor([0, 1, 3]), torch.pow(2.0, n), n ** 0.5, n.float() ** -1)
print(abs(torch.tensor([-3, 3])), -n, +n, n.neg(), torch.sign(torch.tensor([-2, 0, 3])), round(torch.tensor(2.567).item(), 2))

# casts
f = torch.tensor([-1.7, -0.5, 0.5, 1.7, 300.0])
print(f.int(), f.long(), f.short(), f.bool(), f.half(), f.double(), f.bfloat16())
print(f.to(torch.int64), f.type(torch.int32), f.type(torch.DoubleTensor), f.type(), f.long().type(), f.type("torch.HalfTensor"))
print(f.to(torch.float64).dtype, f.to("cpu", torch.int16), f.to(torch.zeros(1, dtype=torch.int8)).dtype, f.to(torch.float32) is f)
print(torch.tensor([0, 1, 2]).bool(), torch.tensor([True, False]).int(), torch.tensor([True]).float(), torch.tensor([1.5]).char())
print(torch.tensor([1.0]).type_as(torch.tensor([1])), torch.tensor(5).is_floating_point(), torch.float32.is_floating_point)
print(torch.float16.itemsize, torch.complex64.is_complex, torch.int8.is_signed, torch.uint8.is_signed, torch.float, torch.half, torch.long)
print(torch.float is torch.float32, torch.int == torch.int32, torch.double == torch.float64, torch.short, torch.cfloat)

# limits
print(torch.finfo(torch.float32).max, torch.finfo(torch.float64).eps, torch.finfo(torch.float16).tiny, torch.finfo(torch.bfloat16).bits)
print(torch.iinfo(torch.int32).max, torch.iinfo(torch.int8).min, torch.iinfo(torch.uint8))
print(torch.tensor([float("inf"), float("-inf"), float("nan"), 1.0]), torch.tensor(1.0) / 0, torch.tensor(0.0) / 0, torch.inf, torch.nan, torch.pi, torch.e)
special = torch.tensor([float("inf"), float("nan"), 1.0, -float("inf")])
print(torch.isnan(special), torch.isinf(special), torch.isfinite(special), torch.isposinf(special), torch.nan_to_num(special, posinf=9.0, neginf=-9.0))
print(special == special, torch.equal(special, special), torch.allclose(torch.ones(2), torch.ones(2) + 1e-9), torch.isclose(torch.ones(2), torch.tensor([1.0, 1.1])))

# complex numbers
z = torch.tensor([1 + 2j, 3 - 4j])
print(z.real, z.imag, z.abs(), z.angle(), z.conj(), z * z, z.dtype, torch.view_as_real(z), torch.view_as_complex(torch.ones(1, 2)))
