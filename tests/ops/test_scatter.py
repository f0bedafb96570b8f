"""Gathering, scattering, joining and rearranging end as in PyTorch: values, dtypes, strides and errors."""

import re
import warnings

import numpy as np
import pytest
import torch

import torchish

CALLS = r"""
m.gather(5,T([[0]]))
m.gather(1,T([[-1]]))
T(5.).gather(0,T([0,0]))
T(5.).gather(0,T(0))
m.gather(1,T([[0]],dtype=torch.int32))
m.gather(1,T([[0]],dtype=torch.int16))
m.gather(0,torch.empty(0,dtype=torch.long)).shape
m.gather(0,torch.empty(0,4,dtype=torch.long)).shape
Z(2,2).scatter(0,T([[-1]]),1.)
Z(2,2).scatter(0,T([0]),1.)
Z(2,2).scatter(0,T([[0,0,0]]),1.)
Z(2,2).scatter(0,T([[0,0,0]]),O(1,3))
Z(2,2).scatter(0,T([[0,1]]),O(2,3))
Z(2,2).scatter(0,T([[0,1]]),O(1,2),reduce='add')
Z(2,2).scatter(0,T([[0,1]]),O(1,2),reduce='foo')
Z(2,2).scatter(0,T([[0,1]]),2,reduce='multiply')
Z(2,2).scatter(0,T([[0,1]]),2,reduce='foo')
Z(2,2).scatter(0,T([[0,1]]),2j)
Z(2,2).scatter(0,T([[0,1]]),'a')
Z(2,2,dtype=torch.long).scatter(0,T([[0,1]]),1.7)
Z(2,2).scatter(dim=0,index=T([[0,1]]),value=1.5)
Z(2,2).scatter(dim=0,index=T([[0,1]]),src=O(1,2))
Z(2,2).scatter(0,T([[0,1]]),T(1.))
Z(2,2).scatter_(0,T([[0,0]]),O(1,2),reduce='multiply')
Z(2,2).scatter_add(0,T([[0,1]]),1.)
Z(2,2).scatter_add(0,T([[0,3]]),O(2,2))
Z(2,2).scatter_add(0,T([[0,1]]),O(2,2,dtype=torch.long))
Z(2,2).scatter_add(0,T([[0,1.]]),O(2,2))
Z(2,2).scatter_reduce(0,T([[0,1]]),O(2,2),'foo')
Z(2,2).scatter_reduce(0,T([[0,1]]),O(2,2),'prod',include_self=False)
Z(2,2).scatter_reduce(0,T([[0,1]]),O(2,2))
Z(2,2).scatter_reduce(0,T([[0,5]]),O(2,2),'amax')
Z(2,2).scatter_reduce(0,T([[0,1]]),O(2,2,dtype=torch.long),'amax')
Z(2,2,dtype=torch.long).scatter_reduce(0,T([[0,0]]),T([[3,4]]),'mean')
T([[True]]).scatter_reduce(0,T([[0]]),T([[True]]),'sum')
Z(2).index_select(0,T([-1]))
Z(2).index_select(0,T(1))
Z(2).index_select(1,T(1))
T(5.).index_select(0,T([0]))
T(5.).index_select(0,T([0,0]))
Z(0,2).index_select(0,T([0]))
Z(2).index_add(0,T([0,5]),O(2))
Z(2).index_add(0,T([0,-1]),O(2))
Z(2).index_add(0,T([0.]),O(1))
Z(2).index_add(0,T([[0]]),O(1))
Z(2).index_add(0,T([0]),O(1,dtype=torch.long))
Z(2,3).index_add(0,T([0]),O(1,2))
Z(2,3).index_add(0,T([0]),O(3))
Z(2,3).index_add(1,T([0]),O(2,1),alpha=2)
Z(2,dtype=torch.long).index_add(0,T([0]),O(1,dtype=torch.long),alpha=2.5)
Z(2).index_copy(0,T([0,5]),O(2))
Z(2).index_copy(0,T([0,-1]),O(2))
Z(2).index_copy(0,T([0.]),O(1))
Z(2).index_copy(0,T([[0]]),O(1))
Z(2).index_copy(0,T([0]),O(1,dtype=torch.long))
Z(2,3).index_copy(0,T([0]),O(1,2))
Z(2,3).index_copy(0,T([0]),O(3))
Z(2).index_copy(0,T([0],dtype=torch.int32),O(1))
Z(2).index_copy(0,T([0]),T(1.))
Z(2).index_fill(0,T([0,-1]),2)
Z(2).index_fill(0,T([0,2]),2)
Z(2).index_fill(0,T([0.]),2)
Z(2).index_fill(0,T([[0]]),2)
Z(2).index_fill(0,T([0]),T([2.]))
Z(2).index_fill(0,T([0]),T(2))
Z(2).index_fill(0,T([0]),2j)
Z(2).index_fill(0,T([0],dtype=torch.int32),2)
T(3.).index_fill(0,T([0]),2)
Z(2).index_reduce(0,T([0]),O(1),'foo')
Z(2).index_reduce(0,T([0]),O(1),'sum')
Z(2).index_reduce(0,T([0,3]),O(2),'prod')
Z(2).index_reduce(0,T([0]),O(2),'prod')
Z(2,3).index_reduce(0,T([0]),O(1,2),'prod')
Z(2).index_reduce(0,T([0]),O(1,dtype=torch.long),'prod')
m.take(T([-13]))
m.take(T([-12]))
m.take(T([0.]))
m.take(T([0],dtype=torch.int32))
Z(0).take(T([0]))
Z(0).take(T([],dtype=torch.long))
m.clone().put_(T([12]),T([1.]))
m.clone().put_(T([1]),T([1.,2]))
m.clone().put_(T([1]),T([1]))
m.clone().put_(T([1.]),T([1.]))
m.clone().put_(T([1,-1]),T([5.,6]),accumulate=True)
m.masked_select(T([True,False]))
m.masked_select(T([True,False,True,False])).shape
T(3.).masked_select(T(True))
m.masked_select(T([1,0,1,0],dtype=torch.uint8))
torch.masked_select(O(3),O(2,3)>0)
m.masked_scatter(m>3,O(3))
m.masked_scatter(m>3,O(8,dtype=torch.long))
m.masked_scatter(O(3,4),O(12))
m.masked_scatter(T([True,False,True,False]),torch.arange(12.))
O(4).masked_scatter(m>3,torch.arange(12.))
O(4).masked_scatter_(m>3,torch.arange(12.))
O(4).masked_fill(m>3,2).shape
O(4).masked_fill_(m>3,2).shape
m.masked_fill(m>3,T(2))
m.masked_fill(m>3,2j)
T([1,2]).masked_fill(T([True,False]),1.5)
m.index_put((T([0]),),T(1.),True)
m.index_put((None,T([0])),T(1.))
m.index_put((T([0]),T([0]),T([0])),T(1.))
m.index_put([T([0])],T([1.,2,3,4]))
m.index_put((T([0.]),),T(1.))
m.index_put(T([0]),T(1.))
torch.gather(m,1,T([[0]]),out=Z(1,1))
torch.gather(m,1,T([[0]]),sparse_grad=True)
Z(2,3).index_add_(0,T([0]),O(1,3),alpha=3)
torch.cat([])
torch.cat([T(1.)])
torch.cat([O(2,3),O(3,4)])
torch.cat([O(2,3),O(3)])
torch.cat([O(2,3),O(0)]).shape
torch.cat([O(0),O(2,3)]).shape
torch.cat([O(2),T([1])]).dtype
torch.cat([O(2),O(2)],1)
torch.cat(O(2))
torch.cat([O(2),1])
torch.cat(5)
torch.cat([p,p]).stride()
torch.cat([p,p],1).stride()
torch.cat([O(0),O(0)]).shape
torch.cat([O(2,3),O(2,0)]).shape
torch.stack([])
torch.stack([O(2),O(3)])
torch.stack([O(2),O(2)],3)
torch.stack([O(2),T([1,2])]).dtype
torch.hstack([])
torch.vstack([])
torch.dstack([])
torch.column_stack([])
torch.hstack([T(1.),T(2.)])
torch.column_stack([T(1.),T(2.)])
r2.repeat_interleave(L(1,2,3),0)
r2.repeat_interleave(-1,0)
r2.repeat_interleave(L(-1,1),0)
torch.repeat_interleave(L(1,2,3))
torch.repeat_interleave(L(1,2,3),output_size=5)
torch.repeat_interleave(T([1.,2]))
torch.repeat_interleave(T([[1,2]]))
r2.repeat(2)
r2.repeat(-1,2)
r2.repeat(2,2,2).shape
r2.repeat((2,2)).shape
p.flip(0).stride()
p.tril().stride()
p.roll(1,0).stride()
p.roll(1).stride()
p.rot90().stride()
p.repeat(1,1,1).stride()
p[0].repeat(1,1).stride()
r.flip(1)
r2.flip(0,0)
r2.flip()
r2.roll((1,2))
r2.roll((1,2),(0,))
r2.roll()
r2.rot90(1,(0,0))
r2.rot90(1,(0,))
r2.rot90(1,(0,5))
r.rot90()
r.fliplr()
T(1.).flipud()
r.tril()
r.diag(5).shape
O(2,2,2).diag()
T(1.).diag()
T(1.).diagflat()
O(2,2,2).trace()
T([[1,2],[3,4]]).trace().dtype
T([[True,False]]).trace()
torch.diag_embed(O(2,3),0,0,0)
torch.diag_embed(O(2,3),0,0,5)
torch.meshgrid(O(2),O(3))[0].shape
torch.meshgrid(O(2),T([1]),indexing='ij')
torch.meshgrid(O(2),O(3),indexing='ab')
torch.meshgrid()
torch.meshgrid([O(2),O(3)],indexing='xy')[0].stride()
torch.meshgrid(O(2),O(3),indexing='ij')[0].stride()
torch.meshgrid(T(1.),O(3),indexing='ij')[0].shape
torch.cartesian_prod(O(2)).shape
torch.cartesian_prod(O(2,2)).shape
torch.cartesian_prod(O(2),O(3)).shape
torch.combinations(O(2,2))
torch.combinations(O(3),0)
torch.combinations(O(3),-1)
torch.combinations(O(3),5).shape
torch.combinations(O(3),2,True).shape
torch.broadcast_shapes((2,3),(3,1))
torch.broadcast_shapes((2,3),(2,1),3)
torch.broadcast_shapes((-1,3))
torch.broadcast_shapes()
torch.broadcast_tensors(O(2),O(3))
torch.broadcast_tensors(O(3,1),O(3))
torch.block_diag(O(2,2),T(3.),O(2)).shape
torch.block_diag(O(2,2,2))
torch.block_diag()
torch.block_diag(O(2,2),T([1])).dtype
torch.atleast_1d(T(1.),O(2))
torch.atleast_2d([T(1.),O(2)])
torch.tril_indices(3,3)
torch.tril_indices(3,2,-1)
torch.triu_indices(3,4,1,dtype=torch.int32)
torch.tril_indices(-1,3)
torch.triu_indices(3,3,dtype=torch.float32)
torch.constant_pad_nd(O(2),(1,1),5)
torch.constant_pad_nd(O(2),(1,1,1,1),5)
torch.constant_pad_nd(O(2),(1,),5)
torch.constant_pad_nd(O(2),(-2,-1),5)
torch.constant_pad_nd(O(2),(-2,0),5)
F.pad(O(2),(1,1,1))
F.pad(O(2),(1,1),'reflect')
F.pad(O(1,2),(2,1),'reflect')
F.pad(O(1,2),(2,1,1,1),'reflect')
F.pad(O(1,2),(1,1),'reflect',value=2)
F.pad(O(1,2),(1,1),'foo')
F.pad(O(1,2),(1,1),'constant',1)
F.pad(T([[1,2,3]]),(1,1),'reflect')
F.pad(T([[1,2,3]]),(3,1),'circular')
F.pad(T([[1,2,3]]),(4,1),'circular')
F.pad(T([[1,2,3]]),(-1,1),'circular')
F.pad(T([[1.,2,3]]),(-1,1),'reflect')
F.pad(T([[1.,2,3]]),(-1,1),'replicate')
F.pad(O(1,1,2,2),(2,1,1,1),'reflect')
F.pad(T([[True]]),(1,1))
torch.vander(T([1,2,3]))
torch.vander(T([1,2,3]),2,True)
torch.vander(T([True,False]),3)
torch.vander(O(2,2))
torch.unravel_index(T([5,7]),(2,4))
torch.unravel_index(T([5,70]),(2,4))
torch.unravel_index(T([5.]),(2,4))
torch.unravel_index(T(5),8)
torch.select_scatter(O(2,3),O(2),0,0)
torch.select_scatter(O(2,3),O(3),0,5)
torch.slice_scatter(O(2,3),O(3),0,0,1)
torch.diagonal_scatter(O(2,3),O(3))
O(3,3).fill_diagonal_(5,True)
O(3).fill_diagonal_(5)
O(7,3).fill_diagonal_(5,True).sum()
O(7,3).fill_diagonal_(5).sum()
O(2,3,3).fill_diagonal_(5).sum()
O(2,2).map_(O(2,2),lambda a,b:a+b)
O(2,2).apply_(lambda a:a+1)
r.apply_(lambda a:a+1)
r.map_(r,lambda a,b:a)
Z(2).fill_(O(2))
torch.narrow_copy(O(3),0,1,2)
torch.take_along_dim(O(3,3),T([[0]]),1)
torch.take_along_dim(O(3,3),T([0]),1)
torch.take_along_dim(O(3,3),T([[0.]]),1)
Z(2,dtype=torch.uint8).fill_(-0.5)
Z(2,dtype=torch.uint8).fill_(-3)
Z(2,dtype=torch.uint8).index_fill(0,T([0]),T(300))
Z(2,dtype=torch.uint8).index_fill(0,T([0]),T(-3))
Z(2,dtype=torch.int32).index_fill(0,T([0]),T(2.7))
Z(2,dtype=torch.int32).masked_fill(T([True,False]),T(1e10))
Z(2,dtype=torch.uint8).masked_fill(T([True,False]),T(-3.))
Z(2,dtype=torch.uint8).masked_fill(T([True,False]),T(-3))
T([True,False,True]).scatter(0,T([0,1]),T([True,True]),reduce="multiply")
T([True,False,True]).scatter(0,T([0,1]),2,reduce="multiply")
T([True,False,True]).scatter_reduce(0,T([0,1]),T([True,True]),"mean")
T([True,False,True]).scatter_reduce(0,T([0,1]),T([True,True]),"prod")
T([True,False,True]).index_reduce(0,T([0,1]),T([True,True]),"amax")
"""


def outcome(lib, text: str) -> str:
    """What a call ends in, as text: the value, or the error's type and first line."""
    names = {"torch": lib, "np": np, "T": lib.tensor, "Z": lib.zeros, "O": lib.ones}
    names["L"] = lambda *a: lib.tensor(list(a))
    names["F"] = lib.nn.functional
    names["m"] = lib.arange(12.0).view(3, 4)
    names["p"] = lib.ones(2, 3, 4).permute(2, 1, 0)
    names["r"] = lib.ones(3, requires_grad=True) * 1
    names["r2"] = lib.ones(2, 3, requires_grad=True) * 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            shown = str(eval(text, names))
        except Exception as e:
            shown = f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}"
    return re.sub(r" object at 0x[0-9a-f]+", "", shown)


@pytest.mark.parametrize("text", CALLS.strip().splitlines())
def test_same_outcome(text: str) -> None:
    assert outcome(torchish, text) == outcome(torch, text)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sums_of_16_bits(dtype):
    """Which sums are rounded once, and which after each of their terms."""

    def sums(m):
        x = m.tensor(np.random.default_rng(0).standard_normal((64, 4)) * 3).to(getattr(m, dtype))
        to, zeros = m.arange(64) % 3, m.zeros(3, 4, dtype=x.dtype, requires_grad=True)
        results = [zeros.scatter_add(0, to[:, None].expand(64, 4), x), zeros.index_add(0, to, x), zeros[:, 0].index_add(0, to, x[:, 0])]
        for picked in (zeros.index_select(0, to), zeros.gather(0, to[:, None].expand(64, 4)), zeros[to]):
            results += m.autograd.grad(picked, zeros, x)
        return [r.detach().float().tolist() for r in results]

    assert sums(torchish) == sums(torch)


@pytest.mark.parametrize("reduce", ["amax", "amin"])
def test_ties_with_an_input_that_takes_no_part(reduce):
    def gradients(m):
        x, y = m.tensor([1.0, 2.0, 5.0, float("nan")], requires_grad=True), m.tensor([3.0, 2.0, 2.0], requires_grad=True)
        x.scatter_reduce(0, m.tensor([0, 1, 1]), y, reduce, include_self=False).sum().backward()
        return x.grad.numpy(), y.grad.numpy()

    for w, g in zip(gradients(torch), gradients(torchish), strict=True):
        np.testing.assert_array_equal(g, w)
