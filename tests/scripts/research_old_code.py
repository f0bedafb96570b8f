"""Code from before PyTorch 0.4 and habits around NumPy: Variable, numbers of NumPy in lists, padding, prefixes, limits, class names."""
import copy
import pickle
import warnings

import numpy as np
import torch
import torch.distributions as D
from torch.autograd import Variable
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present
from torch.nn.utils.rnn import pack_sequence, pad_sequence


def t(f):
    with warnings.catch_warnings(record=True) as ws:
        warnings.simplefilter("always")
        try:
            print(f())
        except Exception as e:
            print(type(e).__name__, e)
    for w in ws:
        print("  ", w.category.__name__, w.message)


a = torch.ones(2)
v, w = Variable(a), Variable(a, requires_grad=True)
a[0] = 5
print(v, w, v is a, v.data_ptr() == a.data_ptr(), w.is_leaf, a.requires_grad)
p = torch.ones(2, requires_grad=True)
q = p * 2
print(Variable(q), Variable(p), Variable(q, requires_grad=True), Variable(p).is_leaf)
print(type(v), Variable, type(Variable), isinstance(v, Variable), isinstance(3, Variable), torch.autograd.variable.Variable)
for args, kw in [((), {}), ((None,), {}), ((3,), {}), (([1.0],), {}), ((a,), {"volatile": True}), ((a, True), {}), ((a,), {"foo": 1})]:
    t(lambda: Variable(*args, **kw))
t(lambda: Variable(torch.ones(2, dtype=torch.long), requires_grad=True))
w.sum().backward()
v.add_(1)
print(w.grad, a._version, v._version, a)

for x in [[np.int16(3), np.int16(4)], [np.uint8(3), np.int8(2)], [[np.int16(1)], [np.int32(5)]], [np.int8(1), 2], [np.int16(1), 2.5],
          [True, np.int16(3)], [np.uint16(3)], [np.float16(1), np.float32(2)], [np.float64(1), 2], (np.bool_(1), np.int16(3)),
          [np.array(1, np.int16), np.array(2, np.int16)], [np.int64(3), np.float32(1)]]:  # fmt: skip
    t(lambda: torch.tensor(x))
    t(lambda: torch.as_tensor(x).dtype)
print(torch.utils.data.default_collate([np.int16(3), np.int16(4)]))

for shapes in [[(2,), (2, 2)], [(2,), (3, 2)], [(2, 2), (2,)], [(2, 1), (2, 3)], [(2, 3), (3, 1)], [(2, 3), (2, 4)], [(), ()], [(2, 3), (2, 2, 3)]]:
    t(lambda: pad_sequence([torch.ones(s) for s in shapes]).shape)

model = torch.nn.Sequential(torch.nn.Linear(1, 1))
state = torch.nn.ModuleDict({"module": model}).state_dict()
consume_prefix_in_state_dict_if_present(state, "module.")
print(list(state), model.load_state_dict(state), list(state._metadata))
for d in (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.float8_e4m3fn):
    print(torch.finfo(d), torch.finfo(d).resolution)

packed = pack_sequence([torch.ones(2)])
print(type(packed), copy.deepcopy(packed), pickle.loads(pickle.dumps(packed)))
for x in [D.Normal(0.0, 1.0), D.Beta(1.0, 2.0), D.constraints.positive, D.constraints.simplex, D.transforms.ExpTransform(),
          D.OneHotCategoricalStraightThrough(torch.ones(2)), D.Independent(D.Normal(torch.zeros(2), 1.0), 1), torch.amp.GradScaler("cpu")]:  # fmt: skip
    print(type(x), type(copy.deepcopy(x)), type(pickle.loads(pickle.dumps(x))))
print(torch.autocast, torch.nn.utils.parametrize.ParametrizationList, D.transforms._InverseTransform)

c = torch.ones(2, dtype=torch.complex64)
t(lambda: c.float())
t(lambda: torch.cov(torch.ones(2, 1)))
t(lambda: torch.tensor(3.0).T)
t(lambda: a.T.shape)
t(lambda: torch.ones(1).std())
t(lambda: torch.meshgrid(a, a)[0])
t(lambda: q.grad)
t(lambda: float(p.sum()))
t(lambda: a[torch.tensor([1, 0], dtype=torch.uint8)])
t(lambda: torch.add(a, a, out=torch.ones(3)))
t(lambda: torch.ones(2, 2, 2).H)
t(lambda: torch.from_numpy(np.broadcast_to(np.ones(1), (2,))))
t(lambda: a.storage().size())
t(lambda: torch.set_default_tensor_type("torch.FloatTensor"))
t(lambda: D.kl_divergence(D.Normal(0.0, 1.0), D.Poisson(1.0)))
t(lambda: (p // 2).grad_fn.name())
t(lambda: torch.func.vmap(lambda x: x[x > 0])(torch.ones(2, 2)))
