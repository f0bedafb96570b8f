"""An unpickler for files that nobody vouches for: it makes tensors, plain data and what the user has allowed, and calls nothing else.

It reads the instructions that pickle protocol 2 writes for such data. Names are looked up in a table, never imported; every call is
to a function of that table with checked arguments; time and memory stay in proportion to the size of the file.
"""

from __future__ import annotations

import functools
import struct
import warnings
from collections import Counter, OrderedDict
from collections.abc import Callable
from pickle import UnpicklingError, decode_long
from types import FunctionType
from typing import Any

from torchish import _dtypes as dt
from torchish._tensor.size import Size, device
from torchish._tensor.storages import UntypedStorage
from torchish._tensor.tensor import Tensor
from torchish.nn.parameter import Parameter
from torchish.serialization import _names, _rebuild

_BLOCKED = ("sys", "os", "posix", "nt")

# What Python 2 called things, as protocol 2 still writes it.
_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg", "exceptions": "builtins", "UserDict": "collections"}

_KEY_NODES, _KEY_DEPTH = 10_000, 100  # how large a tuple may be as the key of a dictionary: hashing it is recursive


# --- what may be called ------------------------------------------------------------------------------------------

_user: dict[Any, None] = {}  # what add_safe_globals was given, in order


def add(safe: list) -> None:
    _user.update(dict.fromkeys(safe))


def remove(safe: list) -> None:
    for f in safe:
        _user.pop(f, None)


def allowed_by_user() -> dict[str, Any]:
    """The user's classes and functions by every name that a checkpoint may have for them."""
    found: dict[str, Any] = {}
    for f in _user:
        if isinstance(f, tuple):
            if len(f) != 2:
                raise ValueError(f"Expected tuple of length 2 (global, str of callable full path), but got tuple of length: {len(f)}")
            if type(f[1]) is not str:
                raise TypeError(f"Expected second item in tuple to be str of callable full path, but got: {type(f[1])}")
            found[f[1]] = f[0]
            continue
        found[f"{f.__module__}.{f.__qualname__}"] = f
        if (name := _names.name_of(f)) is not None:
            found[repr(name)] = f
    return found


def _check_key(key: Any) -> None:
    """Refuse keys whose hash would take long or recurse deeply."""
    if type(key) in (str, int, float, bool, bytes, type(None)):
        return
    count, level = 0, [key]
    for _ in range(_KEY_DEPTH):
        level = [x for t in level if isinstance(t, tuple) for x in t]
        count += len(level)
        if not level:
            return
        if count > _KEY_NODES:
            break
    raise UnpicklingError("a key of a dictionary or set is too large")


def _plain(*kinds: type) -> Callable[[tuple], bool]:
    return lambda args: len(args) <= len(kinds) and all(type(a) is k for a, k in zip(args, kinds, strict=False))


def _make_set(*args):
    if not (args == () or (len(args) == 1 and type(args[0]) in (list, tuple, set))):
        raise UnpicklingError("set expects one list")
    for x in args[0] if args else ():
        _check_key(x)
    return set(*args)


def _make_mapping(kind: type) -> Callable:
    def make(*args):
        if len(args) > 1 or not all(type(a) in (dict, OrderedDict, Counter, list, tuple) for a in args):
            raise UnpicklingError(f"{kind.__name__} expects one dictionary or list")
        for x in args[0] if args else ():
            _check_key(x if kind is Counter or not isinstance(x, (list, tuple)) or not x else x[0])
        return kind(*args)

    return make


def _make_bytes(text="", encoding="latin1"):
    if type(text) is not str or encoding not in ("latin1", "latin-1", "ascii", "utf-8", "utf8"):
        raise UnpicklingError("only text in a plain encoding can become bytes")
    return text.encode(encoding)


def _make_bytearray(*args):
    if not (args == () or _plain(bytes)(args) or (len(args) == 2 and _plain(str, str)(args))):
        raise UnpicklingError("bytearray expects bytes")
    return bytearray(_make_bytes(*args)) if len(args) == 2 else bytearray(*args)


def _make_complex(*args):
    if len(args) > 2 or not all(type(a) in (int, float) for a in args):
        raise UnpicklingError("complex expects two numbers")
    return complex(*args)


def _make_size(*args):
    if not (args == () or (len(args) == 1 and type(args[0]) in (tuple, list) and all(type(n) is int for n in args[0]))):
        raise UnpicklingError("torch.Size expects integers")
    return Size(*args)


def _make_device(*args):
    if not 1 <= len(args) <= 2 or not all(type(a) in (str, int) for a in args):
        raise UnpicklingError("torch.device expects a name and an index")
    return device(*args)


def _make_tensor(*args):
    if args:
        raise UnpicklingError("a tensor is made of a storage")
    import torchish

    return torchish.empty(0)


def _make_parameter(data=None, requires_grad=True):
    if data is not None and not isinstance(data, Tensor):
        raise UnpicklingError("a parameter is made of a tensor")
    return Parameter(data, bool(requires_grad))


@functools.cache
def _allowed() -> dict[str, Any]:
    """The default table: what a name in the file stands for."""
    table: dict[str, Any] = {
        "collections.OrderedDict": OrderedDict,
        "collections.Counter": Counter,
        "torch.nn.parameter.Parameter": Parameter,
        "torch.serialization._get_layout": _rebuild._get_layout,
        "torch.Size": Size,
        "torch.Tensor": Tensor,
        "torch.device": device,
        "_codecs.encode": _make_bytes,
        "builtins.bytearray": bytearray,
        "builtins.set": set,
        "builtins.complex": complex,
        "torch._tensor._rebuild_from_type_v2": _rebuild._rebuild_from_type_v2,
        "torch.storage.UntypedStorage": UntypedStorage,
    }
    table.update({f"torch.{d.name}": d for d in dt.ALL})
    for name in _names.STORAGES:
        table[f"torch.{name}"] = table[f"torch.cuda.{name}"] = _names.storage_type(name)
    table.update({f"torch._utils.{f.__name__}": f for f in _rebuild.FUNCTIONS})
    for name in dt.LEGACY_NAMES.values():
        for home in ("torch", "torch.cuda"):
            table[f"{home}.{name}"] = Tensor
    return table


# How the classes of that table are made, by identity; the functions of it check their arguments themselves.
_MAKERS: dict[Any, Callable] = {
    OrderedDict: _make_mapping(OrderedDict),
    Counter: _make_mapping(Counter),
    Parameter: _make_parameter,
    Size: _make_size,
    Tensor: _make_tensor,
    device: _make_device,
    bytearray: _make_bytearray,
    set: _make_set,
    complex: _make_complex,
}


@functools.cache
def _callable() -> frozenset[int]:
    return frozenset(id(f) for f in _allowed().values() if isinstance(f, FunctionType))


def _is_in(x: Any, values: Any) -> bool:
    return any(x is v for v in values)


def _shown(x: Any) -> str:
    """Something of the file for a message; values can be endless, so only classes and functions show themselves."""
    return str(x) if isinstance(x, (type, FunctionType)) or type(x) in (int, bool, float, type(None)) else f"an object of {type(x)}"


def _unsupported(path: str) -> UnpicklingError:
    path = path.removeprefix("builtins.") if path != "builtins." else "builtins"
    return UnpicklingError(
        f"Unsupported global: GLOBAL {path} was not an allowed global by default. "
        f"Please use `torch.serialization.add_safe_globals([{path}])` or the "
        f"`torch.serialization.safe_globals([{path}])` context manager to allowlist this global "
        "if you trust this class/function."
    )


# --- the machine ---------------------------------------------------------------------------------------------------

_MARK = object()


class _Passing(Exception):
    """Carries an error past the translation of errors into those of a corrupted file."""

    def __init__(self, error: Exception):
        self.error = error


class Unpickler:
    """Reads one pickle after another from `data`, starting at `position`."""

    def __init__(self, data: bytes, persistent_load: Callable[[Any], Any], position: int = 0, encoding: str = "utf-8"):
        self._data = data
        self._persistent_load = persistent_load
        self.position = position
        self._encoding = encoding
        self._user = allowed_by_user()

    def load(self) -> Any:
        """The next object. Raises UnpicklingError for what is not allowed.

        What is not a pickle, or a part of one, ends as in PyTorch: EOFError at the end of the data; IndexError, struct.error or
        UnicodeError in the middle of an instruction.
        """
        try:
            return self._run()
        except _Passing as e:
            raise e.error from None
        except KeyError as e:
            raise UnpicklingError(f"Memo value not found at index {e}") from None
        except UnicodeError:
            raise
        except (TypeError, ValueError, AttributeError, RecursionError, OverflowError) as e:
            raise UnpicklingError(f"pickle data was corrupted ({type(e).__name__}: {e})") from None

    def _take(self, n: int) -> bytes:
        taken = self._data[self.position : self.position + n]
        self.position += len(taken)
        return taken

    def _line(self) -> str:
        end = self._data.find(b"\n", self.position, self.position + 1000)
        if end < 0 and len(self._data) - self.position > 1000:
            raise UnpicklingError("pickle data was truncated")
        if end < 0:
            end = len(self._data) - 1
        line = self._data[self.position : end].decode("utf-8")
        self.position = end + 1
        return line

    def _find(self) -> Any:
        module, name = self._line(), self._line()
        module = _PYTHON_2.get(module, module)
        if (module, name) == ("builtins", "xrange"):
            name = "range"
        path = f"{module}.{name}"
        if module in _BLOCKED:
            raise UnpicklingError(f"Trying to load unsupported GLOBAL {path} whose module {module} is blocked.")
        found = _allowed().get(path, self._user.get(path, _MARK))
        if found is _MARK:
            raise _unsupported(path)
        return found

    def _new(self, cls: Any, args: Any) -> Any:
        if type(args) is not tuple:
            raise UnpicklingError("the arguments of a new object must be a tuple")
        if _is_in(cls, self._user.values()):
            return cls.__new__(cls, *args)
        maker = _MAKERS.get(cls) if isinstance(cls, type) else None
        if maker is None:
            raise UnpicklingError(
                f"Can only create new object for nn.Parameter or classes allowlisted via `add_safe_globals` but got {_shown(cls)}"
            )
        return maker(*args)

    def _call(self, f: Any, args: Any) -> Any:
        if type(args) is not tuple:
            raise UnpicklingError("the arguments of a call must be a tuple")
        if _is_in(f, self._user.values()):
            return f(*args)
        if isinstance(f, (type, FunctionType)):
            maker = _MAKERS.get(f)
            if maker is not None:
                return maker(*args)
            if id(f) in _callable():
                return f(*args)
        raise UnpicklingError(f"Trying to call reduce for unrecognized function {_shown(f)}")

    def _build(self, instance: Any, state: Any) -> None:
        kind = type(instance)
        if kind is Tensor:
            if type(state) not in (tuple, list) or len(state) not in (4, 5):
                raise UnpicklingError("the state of a tensor must be a storage and its geometry")
            made = _rebuild._rebuild_tensor(*state[-4:])
            instance._become(made)
        elif kind is OrderedDict:
            if type(state) is not dict:
                raise UnpicklingError("the state of an OrderedDict must be a dictionary")
            instance.__dict__.update(state)
        elif _is_in(kind, self._user.values()):
            if hasattr(instance, "__setstate__"):
                instance.__setstate__(state)
                return
            slots = None
            if isinstance(state, tuple) and len(state) == 2:
                state, slots = state
            if state:
                instance.__dict__.update(state)
            for k, v in (slots or {}).items():
                setattr(instance, k, v)
        else:
            raise UnpicklingError(
                f"Can only build Tensor, Parameter, OrderedDict or types allowlisted via `add_safe_globals`, but got {kind}"
            )

    def _persistent(self, pid: Any) -> Any:
        if type(pid) is not tuple and type(pid) is not int:
            raise UnpicklingError(f"persistent_load id must be tuple or int, but got {type(pid)}")
        if type(pid) is tuple and pid and pid[0] not in ("storage", b"storage"):
            raise UnpicklingError(f"Only persistent_load of storage is allowed, but got {type(pid[0])}")
        try:
            return self._persistent_load(pid)
        except (TypeError, ValueError, AttributeError, KeyError, IndexError) as e:
            raise _Passing(e) from None  # an error of `map_location`, not of the file

    def _run(self) -> Any:
        data, unpack = self._data, struct.unpack
        memo: dict[int, Any] = {}
        stack: list[Any] = []
        below: list[list] = []

        def set_items(target: Any, items: list, name: str) -> None:
            if type(target) not in (dict, OrderedDict, Counter):
                raise UnpicklingError(f"Can only {name} for dict, collections.OrderedDict, collections.Counter, but got {type(target)}")
            for k, v in zip(items[::2], items[1::2], strict=True):
                _check_key(k)
                target[k] = v

        while True:
            if self.position >= len(data):
                raise EOFError
            code = data[self.position : self.position + 1]
            self.position += 1
            # in the order of how often state dictionaries have them
            if code == b"q":
                memo[self._take(1)[0]] = stack[-1]
            elif code == b"r":
                memo[unpack("<I", self._take(4))[0]] = stack[-1]
            elif code == b"h":
                stack.append(memo[self._take(1)[0]])
            elif code == b"j":
                stack.append(memo[unpack("<I", self._take(4))[0]])
            elif code == b"K":
                stack.append(self._take(1)[0])
            elif code == b"M":
                stack.append(unpack("<H", self._take(2))[0])
            elif code == b"J":
                stack.append(unpack("<i", self._take(4))[0])
            elif code == b"G":
                stack.append(unpack(">d", self._take(8))[0])
            elif code == b"X":
                stack.append(str(self._take(unpack("<I", self._take(4))[0]), "utf-8", "surrogatepass"))
            elif code == b"U":
                raw = self._take(self._take(1)[0])
                stack.append(raw if self._encoding == "bytes" else raw.decode(self._encoding, "strict"))
            elif code == b"\x8a":
                stack.append(decode_long(self._take(self._take(1)[0])))
            elif code == b"(":
                below.append(stack)
                stack = []
            elif code == b"t":
                items, stack = stack, below.pop()
                stack.append(tuple(items))
            elif code == b"\x85":
                stack[-1] = (stack[-1],)
            elif code == b"\x86":
                stack[-2:] = [(stack[-2], stack[-1])]
            elif code == b"\x87":
                stack[-3:] = [(stack[-3], stack[-2], stack[-1])]
            elif code == b")":
                stack.append(())
            elif code == b"]":
                stack.append([])
            elif code == b"}":
                stack.append({})
            elif code == b"\x8f":
                stack.append(set())
            elif code == b"N":
                stack.append(None)
            elif code == b"\x88":
                stack.append(True)
            elif code == b"\x89":
                stack.append(False)
            elif code == b"Q":
                stack.append(self._persistent(stack.pop()))
            elif code == b"R":
                args = stack.pop()
                stack[-1] = self._call(stack[-1], args)
            elif code == b"c":
                stack.append(self._find())
            elif code == b"a":
                item = stack.pop()
                if type(stack[-1]) is not list:
                    raise UnpicklingError(f"Can only append to lists, but got {type(stack[-1])}")
                stack[-1].append(item)
            elif code == b"e":
                items, stack = stack, below.pop()
                if type(stack[-1]) is not list:
                    raise UnpicklingError(f"Can only extend lists, but got {type(stack[-1])}")
                stack[-1].extend(items)
            elif code == b"s":
                value, key = stack.pop(), stack.pop()
                set_items(stack[-1], [key, value], "SETITEM")
            elif code == b"u":
                items, stack = stack, below.pop()
                set_items(stack[-1], items, "SETITEMS")
            elif code == b"b":
                state = stack.pop()
                self._build(stack[-1], state)
            elif code == b"\x81":
                args, cls = stack.pop(), stack.pop()
                stack.append(self._new(cls, args))
            elif code == b"\x80":
                protocol = self._take(1)[0]
                if protocol != 2:
                    warnings.warn(
                        f"Detected pickle protocol {protocol} in the checkpoint, which was "
                        "not the default pickle protocol used by `torch.load` (2). The weights_only "
                        "Unpickler might not support all instructions implemented by this protocol, "
                        "please file an issue for adding support if you encounter this.",
                        stacklevel=2,
                    )
            elif code == b".":
                return stack.pop()
            else:
                raise UnpicklingError(f"Unsupported operand {code[0]}")
