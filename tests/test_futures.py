"""`torch.futures` and the futures that it gives behave as PyTorch's."""

import pickle
import threading
from importlib import import_module

import pytest
import torch as pytorch

import torchish

BOTH = (pytorch, torchish)


def raises(error):
    raise error


def failed(m, text="foo"):
    f = m.futures.Future()
    f.set_exception(ValueError(text))
    return f


def done(m, value=3):
    f = m.futures.Future()
    f.set_result(value)
    return f


def within(m):
    """What callbacks see, those added before and those added after the value came."""
    f, seen = m.futures.Future(), []
    f.add_done_callback(lambda x: seen.append(("first", x is f or x.value())))
    following = f.then(lambda x: x.wait() + 1).then(lambda x: x.value() * 2)
    before = following.done(), f.done()
    f.set_result(1)
    f.add_done_callback(lambda x: seen.append(("last", x.value())))
    return before, seen[-1], len(seen), following.done(), following.wait()


def from_a_thread(m):
    f = m.futures.Future()
    thread = threading.Thread(target=lambda: f.set_result(m.ones(2) * 3))
    thread.start()
    value = f.wait()
    thread.join()
    return value.tolist()


def collected(m):
    a, b = m.futures.Future(), m.futures.Future()
    c = m.futures.collect_all([a, b])
    a.set_result(1)
    before = c.done()
    b.set_result(2)
    return before, c.done(), [f.wait() for f in c.wait()]


CASES = {
    "callbacks": within,
    "a thread": from_a_thread,
    "collected": collected,
    "all": lambda m: m.futures.wait_all([done(m, 1), done(m, 2)]),
    "none": lambda m: (m.futures.wait_all([]), m.futures.collect_all([]).wait()),
    "an error": lambda m: failed(m).wait(),
    "an error's value": lambda m: failed(m).value(),
    "an error is done": lambda m: failed(m).done(),
    "an error among all": lambda m: m.futures.wait_all([done(m), failed(m)]),
    "collected with an error": lambda m: m.futures.collect_all([m.futures.Future(), failed(m)]).done(),
    "a collected error": lambda m: m.futures.collect_all([done(m), failed(m)]).wait(),
    "an error that is dealt with": lambda m: failed(m).then(lambda f: 5).wait(),
    "twice": lambda m: done(m).set_result(4),
    "a late error": lambda m: done(m).set_exception(ValueError("x")),
    "no error": lambda m: m.futures.Future().set_exception("foo"),
    "pickled": lambda m: pickle.dumps(m.futures.Future()),
    "devices": lambda m: m.futures.Future(devices=["cpu"]),
    "print": lambda m: repr(done(m)).partition(" at ")[0],
}


@pytest.mark.parametrize("name", CASES)
def test_futures(name):
    def outcome(m):
        import_module(f"{m.__name__}.futures")
        try:
            return CASES[name](m)
        except Exception as e:
            return type(e).__name__, str(e)

    a, b = map(outcome, BOTH)
    assert a == b


def test_what_goes_wrong_in_callbacks(capfd):
    for m in BOTH:
        failing = done(m).then(lambda f: raises(ZeroDivisionError("no"))).then(lambda f: f.wait())
        with pytest.raises(RuntimeError, match="^Got the .* running the callback: RuntimeError: .*: ZeroDivisionError: no"):
            failing.wait()
        with pytest.raises(TypeError, match="incompatible function arguments"):
            done(m).then(3)
        with pytest.raises(TypeError, match="incompatible function arguments"):
            m.futures.collect_all([3])
        with pytest.raises(RuntimeError):
            m.futures.Future().value()
        done(m).add_done_callback(lambda f: raises(ZeroDivisionError("no")))
        assert "ZeroDivisionError: no" in capfd.readouterr().err
