"""Making tensors ends as in PyTorch: values, dtypes, strides and errors."""

import re
import warnings

import numpy as np
import pytest
import torch

import torchish

CALLS = r"""
torch.take_along_dim(m,T([[-1]]),1)
torch.take_along_dim(m,T([[-5]]),1)
torch.take_along_dim(m,T([[4]]),1)
torch.take_along_dim(m,T([-1]))
torch.take_along_dim(r,T([[-1]]),1).grad_fn.next_functions
torch.take_along_dim(r,T([-1])).grad_fn.next_functions
torch.rand(2,names=("N",))
torch.randn(2,names=None)
torch.randint(2,(2,),names=("N",))
torch.zeros(2,names=("N",))
torch.scalar_tensor(5)
torch.scalar_tensor(5.5,dtype=torch.int32)
torch.scalar_tensor(70000,dtype=torch.float16)
torch.scalar_tensor(1e40,dtype=torch.float32)
torch.scalar_tensor(300,dtype=torch.int8)
torch.scalar_tensor(1+2j,dtype=torch.bfloat16)
torch.scalar_tensor(True)
torch.scalar_tensor(1j)
torch.scalar_tensor(T(3))
torch.scalar_tensor([1])
torch.empty_permuted((2,3,4),(0,2,1)).stride()
torch.empty_permuted((2,3,4),(0,2,0))
torch.empty_permuted((2,3,4),(0,2))
torch.zeros(-1)
torch.zeros(2,-3)
torch.zeros((2,3),(4,))
torch.zeros('a')
torch.zeros(2.0)
torch.zeros()
torch.zeros([])
torch.zeros(T(2),3).shape
torch.zeros(T([2,3]))
torch.zeros(2,dtype='float32')
torch.zeros(2,dtype=int).dtype
torch.zeros(2,requires_grad=True,dtype=torch.long)
torch.zeros(2,out=torch.ones(3))
torch.zeros(2,out=torch.ones(2),dtype=torch.long)
torch.full((2,),1.5).dtype
torch.full((2,),True).dtype
torch.full((2,),3).dtype
torch.full((2,),3j).dtype
torch.full((2,),T(3)).dtype
torch.full((2,),300,dtype=torch.uint8)
torch.full((2,),-1,dtype=torch.uint8)
torch.full((2,),1j,dtype=torch.float32)
torch.full((2,),1e300,dtype=torch.float32)
torch.full((2,))
torch.full((2,),'a')
torch.full((2,),3,out=torch.ones(2))
torch.full_like(m,T(2.))
torch.full_like(m,2,dtype=torch.int8).dtype
torch.zeros_like(m.t()).stride()
torch.zeros_like(m.t(),memory_format=torch.contiguous_format).stride()
torch.zeros_like(O(2,3,4,5),memory_format=torch.channels_last).stride()
torch.zeros_like(O(2,3),memory_format=torch.channels_last).stride()
torch.zeros_like(O(1,3).expand(2,3)).stride()
torch.zeros_like(O(4,6)[:, ::2]).stride()
torch.empty(2,3,4,5,memory_format=torch.channels_last).stride()
torch.ones_like([1])
m.new_zeros(2,3).dtype
m.new_zeros((2,),dtype=torch.long,requires_grad=False)
m.new_full((2,),5)
m.new_full((2,),T(5))
m.new_empty_strided((2,3),(1,2)).stride()
m.new_tensor([1,2])
m.new_tensor(T([1,2]))
m.new_ones(T(2))
m.new([1,2])
torch.eye(2,3,dtype=torch.bool)
torch.eye(-1)
torch.eye(2.5)
torch.eye(2,out=torch.ones(2,2))
torch.empty_strided((2,3),(1,2)).stride()
torch.empty_strided((2,3),(1,))
torch.empty_strided((2,3),(-1,2))
torch.empty_strided((2,3),(3,3)).shape
torch.empty(2,3).shape
torch.empty(0).shape
torch.empty((2,),(3,))
torch.empty(size=(2,3)).shape
torch.ones(size=(2,)).shape
torch.linspace(0,1)
torch.linspace(0,1,5)
torch.linspace(0,1,-5)
torch.linspace(0,1,steps=3,dtype=torch.long)
torch.linspace(0,1,3,out=torch.zeros(3,dtype=torch.long))
torch.linspace(T(0.),T([1.]),3)
torch.linspace(0,1j,3)
torch.linspace(0,1j,3,dtype=torch.float32)
torch.linspace(0,10,3,dtype=torch.bool)
torch.logspace(0,1,3)
torch.logspace(0,1,3,2)
torch.logspace(0,1,3,base=2)
torch.logspace(0,1,-1)
torch.logspace(0,3,3,-2.)
torch.logspace(0,3,4,2,dtype=torch.long)
torch.arange(5)
torch.arange(5.)
torch.arange(1,5,2)
torch.arange(1,5,0)
torch.arange(5,1)
torch.arange(5,1,-2)
torch.arange(0,float('inf'))
torch.arange(float('nan'))
torch.arange(0,1e20)
torch.arange(2**63-2,2**63-1)
torch.arange(T(3))
torch.arange(T(3.5))
torch.arange(0,T(3),dtype=torch.float)
torch.arange(True)
torch.arange(1.5,5,dtype=torch.int32)
torch.arange(0,2,0.5,dtype=torch.int32)
torch.arange(0,5,1.5,dtype=torch.int64)
torch.arange(0.9,5,dtype=torch.int64)
torch.arange(2j)
torch.arange('a')
torch.arange()
torch.arange(0,1,0.1,dtype=torch.bool)
torch.arange(3,dtype=torch.bool)
torch.arange(2,dtype=torch.bool)
torch.arange(3,dtype=torch.complex64)
torch.arange(0,5,out=torch.zeros(5,dtype=torch.int32))
torch.arange(0.,1,0.1,out=torch.zeros(10,dtype=torch.int64))
torch.arange(3,requires_grad=True)
torch.arange(0,1000000000000,100000000000)
torch.arange(300,dtype=torch.uint8).sum()
torch.range(1,4)
torch.range(1,4,0.5)
torch.range(1,4,dtype=torch.long)
torch.range(4,1)
torch.range(1,4,0)
torch.hann_window(5)
torch.hann_window(5,periodic=False)
torch.hann_window(5,False)
torch.hann_window(0)
torch.hann_window(1)
torch.hann_window(-1)
torch.hann_window(5,dtype=torch.long)
torch.hamming_window(5)
torch.hamming_window(5,True,0.5)
torch.hamming_window(5,True,0.5,0.3)
torch.bartlett_window(5)
torch.blackman_window(5)
torch.kaiser_window(5)
torch.kaiser_window(5,True,10.)
torch.kaiser_window(5,periodic=False,beta=3.)
torch.kaiser_window(1)
torch.signal.windows.hann(5)
torch.signal.windows.hann(-5)
torch.signal.windows.hann(5,sym=False)
torch.signal.windows.gaussian(5,std=0)
torch.signal.windows.kaiser(5,beta=-1)
torch.signal.windows.exponential(5,center=1)
torch.signal.windows.exponential(5,tau=-1)
torch.signal.windows.general_cosine(5,a=[])
torch.signal.windows.general_cosine(5,a=3)
torch.signal.windows.hann(5,dtype=torch.long)
torch.signal.windows.hann(5,dtype=torch.bfloat16)
torch.tensor('a')
torch.tensor(None)
torch.tensor([None])
torch.tensor(['a'])
torch.tensor([1,'a'])
torch.tensor([[1,2],[3]])
torch.tensor([[1,2],3])
torch.tensor([1,[2]])
torch.tensor([[1,2],[3,'a']])
torch.tensor({1,2})
torch.tensor({1:2})
torch.tensor(object())
torch.tensor([])
torch.tensor([[]]).shape
torch.tensor([[],[]]).shape
torch.tensor([1,2.5]).dtype
torch.tensor([1,True]).dtype
torch.tensor([True,2.5]).dtype
torch.tensor([1,2j]).dtype
torch.tensor([T(1),T(2.5)])
torch.tensor([T([1,2]),T([3,4])])
torch.tensor([T([1,2]),T([3])])
torch.tensor([T(1.,dtype=torch.float64),1]).dtype
torch.tensor([np.float64(1),2]).dtype
torch.tensor([np.float32(1),2]).dtype
torch.tensor([np.int8(1),2]).dtype
torch.tensor(np.float64(1)).dtype
torch.tensor(np.int8(1)).dtype
torch.tensor(np.bool_(True)).dtype
torch.tensor(np.array(1.5)).dtype
torch.tensor([np.array([1,2]),np.array([3,4])])
torch.tensor([np.array([1.,2]),[3,4]])
torch.tensor(2**63)
torch.tensor(2**64)
torch.tensor([2**63])
torch.tensor([2**70])
torch.tensor(2**63-1)
torch.tensor(2**70,dtype=torch.float64)
torch.tensor(300,dtype=torch.uint8)
torch.tensor([300],dtype=torch.uint8)
torch.tensor([-1],dtype=torch.uint8)
torch.tensor(-1,dtype=torch.uint8)
torch.tensor([1.5],dtype=torch.int32)
torch.tensor(1.5,dtype=torch.int32)
torch.tensor([1e300])
torch.tensor([1e300],dtype=torch.float32)
torch.tensor([1e10],dtype=torch.float16)
torch.tensor([1e10],dtype=torch.int32)
torch.tensor([float('nan')],dtype=torch.int32)
torch.tensor([1j],dtype=torch.float32)
torch.tensor(1j,dtype=torch.float32)
torch.tensor([2],dtype=torch.bool)
torch.tensor([0.5,0.],dtype=torch.bool)
torch.tensor([True],dtype=torch.float32)
torch.tensor([1,2],dtype='float')
torch.tensor([1,2],dtype=float).dtype
torch.tensor(1,2)
torch.tensor([1],foo=1)
torch.tensor([1],requires_grad=True)
torch.tensor([1.],requires_grad=True)
torch.tensor(range(3))
torch.tensor((1,2))
torch.tensor(m)
torch.tensor(m,requires_grad=True).requires_grad
torch.tensor(np.array(['a']))
torch.tensor(np.ones((2,3,4)).transpose(2,0,1)).stride()
torch.tensor(np.ones((4,6)).T[:,::2],dtype=torch.float32).stride()
torch.tensor(np.ones((4,6))[:,None]).stride()
torch.tensor(np.broadcast_to(np.ones((3,1)),(3,4))).stride()
torch.tensor(np.arange(6.).reshape(2,3).T).view(-1)
torch.tensor(np.arange(6.).reshape(2,3).T).storage().tolist()
torch.FloatTensor(np.ones((2,3)).T).stride()
m.new_tensor(np.ones((2,3)).T).stride()
torch.tensor(np.zeros(4,dtype=[('a','f4'),('b','i2')])['a'])
torch.as_tensor(np.zeros(4,dtype=[('a','f4'),('b','i2')])['a'])
torch.tensor(np.zeros(4,dtype=[('a','f8'),('b','f8')])['a']).stride()
torch.tensor(np.array([1,2],dtype=object))
torch.tensor(np.array([1,2],dtype='>i4'))
torch.tensor(np.array([1,2],dtype=np.uint16))
torch.tensor(np.arange(6).reshape(2,3)[:, ::-1])
torch.tensor([b'a'])
torch.tensor(b'ab')
torch.tensor(bytearray(b'ab'))
torch.tensor([1,2],device='foo')
torch.tensor([1,2],device='cuda')
torch.as_tensor([1,2])
torch.as_tensor(np.array([1,2]),dtype=torch.float32)
torch.as_tensor(m) is m
torch.as_tensor(m,dtype=torch.float64).dtype
torch.as_tensor('a')
torch.as_tensor(5,dtype=torch.float32)
torch.asarray([1,2])
torch.asarray(m) is m
torch.asarray(m,copy=False,dtype=torch.float64)
torch.asarray([1],copy=False)
torch.asarray(m,copy=True) is m
torch.asarray(5)
torch.asarray(b'abcd',dtype=torch.uint8)
torch.asarray(bytearray(b'abcd'),dtype=torch.int16)
torch.asarray(np.array([1.]),requires_grad=True)
torch.asarray('a')
torch.from_numpy([1])
torch.from_numpy(np.array([1])[::-1])
torch.from_numpy(np.array(['a']))
torch.from_numpy(np.array([1,2],dtype=np.complex128))
torch.from_numpy(np.float32(1))
torch.from_numpy(np.array([1],dtype='>i4'))
torch.frombuffer(b'abcd',dtype=torch.uint8)
torch.frombuffer(bytearray(b'abcd'),dtype=torch.int16)
torch.frombuffer(bytearray(b'abcd'),dtype=torch.int32,count=2)
torch.frombuffer(bytearray(b'abcd'),dtype=torch.uint8,offset=4)
torch.frombuffer(bytearray(b'abcd'),dtype=torch.uint8,offset=2,count=1)
torch.frombuffer(bytearray(b'abcde'),dtype=torch.int16)
torch.frombuffer(bytearray(b'abcd'),dtype=torch.uint8,count=0)
torch.frombuffer(bytearray(b''),dtype=torch.uint8)
torch.frombuffer([1],dtype=torch.uint8)
torch.frombuffer(bytearray(b'abcd'),dtype=torch.uint8,count=-2)
torch.from_dlpack(np.arange(3.))
torch.from_dlpack(r)
torch.from_dlpack([1])
torch.Tensor(2,3).shape
torch.Tensor([1,2])
torch.Tensor()
torch.Tensor(3.5)
torch.Tensor('a')
torch.Tensor(torch.Size([2,3])).shape
torch.Tensor((2,3))
torch.Tensor(m).shape
torch.Tensor(T([1,2]))
torch.Tensor(-1)
torch.LongTensor([1.5,2])
torch.LongTensor(2).shape
torch.FloatTensor([[1,2],[3,4]])
torch.FloatTensor(m)
torch.LongTensor(m)
torch.BoolTensor([1,0])
torch.ByteTensor([255,256])
torch.FloatTensor(np.array([1.,2.]))
torch.HalfTensor([1.5])
torch.DoubleTensor(2,2).dtype
torch.LongTensor(range(3))
torch.Tensor([[1,2],[3]])
torch.Tensor(True)
isinstance(m,torch.FloatTensor)
torch.ones(-1)
torch.empty(-1)
torch.full((-1,),1)
m.new_zeros(-1)
m.new_empty(-1)
torch.empty_strided((-1,),(1,))
torch.eye(2,-3)
torch.randn(-1)
torch.ones(2,out=torch.ones(3)).shape
torch.full((2,),1.5,out=torch.ones(2,dtype=torch.long))
torch.eye(2,out=torch.ones(2,2),dtype=torch.long)
torch.arange(3,out=torch.ones(2)).shape
torch.zeros(2,names=('a',))
torch.zeros(2,layout=torch.strided,device='cpu',pin_memory=False).shape
torch.empty(2,3,4,5,memory_format=torch.channels_last).is_contiguous()
torch.empty(2,3,memory_format=torch.channels_last)
torch.zeros(2,memory_format=torch.contiguous_format)
torch.asarray(m, dtype=torch.float64).dtype
torch.asarray(np.arange(3.),copy=False,dtype=torch.float32)
torch.asarray(m,device='meta',copy=False)
torch.asarray([m[0,0],m[0,1]])
torch.asarray(np.float32(3)).dtype
torch.asarray(torch.ones(2,requires_grad=True)).requires_grad
torch.asarray(torch.ones(2,requires_grad=True),requires_grad=True).is_leaf
torch.asarray(torch.ones(2,requires_grad=True)*2)
torch.asarray(r, copy=True)
torch.as_tensor(r).requires_grad
torch.as_tensor(r,dtype=torch.float64).grad_fn
torch.tensor([1.,2.],dtype=torch.long)
torch.logspace(0,1j,3,dtype=torch.float32)
torch.logspace(T([1.]),2,3)
torch.arange(0,3,dtype=torch.float16)
torch.linspace(0,1,0)
torch.linspace(0,1,1)
torch.linspace(3,1,1,dtype=torch.long)
torch.logspace(2,1,1)
torch.linspace(0.,1.,True)
torch.linspace(0,1,2.5)
torch.hann_window(5,dtype=torch.float16)
torch.hann_window(5,dtype=torch.bfloat16)
torch.hann_window(5,dtype=torch.float64,requires_grad=True)
torch.hann_window(5,layout=torch.strided)
torch.hamming_window(5,periodic=False,alpha=0.3)
torch.kaiser_window(5,False)
torch.kaiser_window(9,False,90.)
torch.signal.windows.kaiser(9,beta=90.)
torch.signal.windows.hamming(5,alpha=0.3,sym=False)
torch.signal.windows.general_hamming(4,alpha=.3)
torch.signal.windows.general_cosine(4,a=[.5,.2,.3])
torch.signal.windows.nuttall(4)
torch.signal.windows.blackman(4)
torch.signal.windows.cosine(4)
torch.signal.windows.exponential(4)
torch.signal.windows.exponential(4,sym=False,center=1,tau=2.)
torch.signal.windows.gaussian(4,std=.5)
torch.signal.windows.bartlett(4)
torch.signal.windows.kaiser(4,beta=2.)
torch.signal.windows.kaiser(0)
torch.signal.windows.kaiser(1)
"""


def outcome(lib, text: str) -> str:
    """What a call ends in, as text: the value, or the error's type and first line."""
    names = {"torch": lib, "np": np, "T": lib.tensor, "Z": lib.zeros, "O": lib.ones}
    names["L"] = lambda *a: lib.tensor(list(a))
    names["F"] = lib.nn.functional
    names["m"] = lib.arange(12.0).view(3, 4)
    names["p"] = lib.ones(2, 3, 4).permute(2, 1, 0)
    names["r"] = lib.ones(3, 4, requires_grad=True) * 1
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


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int64", "int32"])
def test_sequences_to_the_last_bit(dtype: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        start, step = float(rng.uniform(-5, 5)), float(rng.choice([0.1, -0.3, 1 / 3, 2.0, rng.uniform(0.01, 3)]))
        steps = int(rng.integers(2, 200))
        calls = [("linspace", (start, start + step * steps * 0.5, steps))]
        if dtype.startswith(("float", "bfloat")):
            calls.append(("arange", (start, start + step * steps, step)))
        for name, args in calls:
            want = getattr(torch, name)(*args, dtype=getattr(torch, dtype)).double().numpy()
            got = getattr(torchish, name)(*args, dtype=getattr(torchish, dtype)).double().numpy()
            assert np.array_equal(want, got), (name, args)


def test_dlpack_shares_memory():
    """A capsule, NumPy, PyTorch and both tensors see each other's writes."""
    t = torchish.arange(4)
    same, capsule = torchish.from_dlpack(t), torchish.from_dlpack(torchish.utils.dlpack.to_dlpack(t))
    array, theirs = np.from_dlpack(t), torch.from_dlpack(t)
    same[0], capsule[1], array[2], theirs[3] = 10, 11, 12, 13
    for x in (t, same, capsule, array, theirs):
        assert x.tolist() == [10, 11, 12, 13]


@pytest.mark.parametrize("size", [3, 100_000])
@pytest.mark.parametrize("value", [-0.0, complex(0.0, -0.0), 0.0, 0, False])
def test_full_keeps_the_sign_of_zero(size, value):
    ours, theirs = torchish.full((size,), value).numpy(), torch.full((size,), value).numpy()
    assert ours.dtype == theirs.dtype and np.array_equal(np.signbit(ours.real), np.signbit(theirs.real))
    assert np.array_equal(np.signbit(ours.imag), np.signbit(theirs.imag))


def subclasses_of_arrays(library, path):
    mapped = np.memmap(path, dtype=np.float64, mode="w+", shape=(3,))
    mapped[:] = [1 / 3, 2.0, -1.0]
    return [library.tensor(a).exp().tolist() for a in (mapped, np.matrix([[1 / 3]]), np.ma.array([1 / 3, 2.0]))]


def test_tensors_of_numpys_subclasses_keep_their_64_bits(tmp_path):
    found, want = (subclasses_of_arrays(library, tmp_path / library.__name__) for library in (torchish, torch))
    for a, b in zip(found, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-15)
