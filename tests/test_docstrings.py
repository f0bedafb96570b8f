"""Every function made from a declaration has a docstring, written when it is looked at."""

import inspect
import pydoc

import pytest
import torch as pytorch

import torchish


def first_line(f):
    return f.__doc__.strip().splitlines()[0]


@pytest.mark.parametrize(
    "name",
    ["add", "mul", "exp", "clamp", "Tensor.add", "Tensor.add_", "Tensor.exp", "Tensor.exp_", "linalg.det"],
)
def test_first_line_is_pytorchs(name):
    def get(torch):
        for part in name.split("."):
            torch = getattr(torch, part)
        return first_line(torch).removeprefix("linalg.")

    assert get(torchish).replace(" ", "") == get(pytorch).replace(" ", "")


def test_help():
    text = pydoc.plain(pydoc.render_doc(torchish.add))
    assert "add(input, other, *, alpha=1, out=None) -> Tensor" in text and "other (Tensor or Number)" in text
    assert "add_(other, *, alpha=1) -> Tensor" in pydoc.plain(pydoc.render_doc(torchish.Tensor.add_))
    assert inspect.getdoc(torchish.sum).startswith("sum(input")


def test_docstrings_behave_as_strings():
    doc = torchish.exp.__doc__
    text = str(doc)
    assert isinstance(doc, str) and type(text) is str and doc == text and hash(doc) == hash(text) and len(doc) == len(text)
    assert (doc + "x", "x" + doc, f"{doc}", repr(doc)) == (text + "x", "x" + text, text, repr(text))
    assert doc[:5] == text[:5] and list(doc) == list(text)
    assert doc.split() == text.split() and "exp(" in doc and doc.startswith("\nexp(")


def test_all_have_one():
    for space in (torchish, torchish.Tensor, torchish.linalg, torchish.nn.functional):
        for name in dir(space):
            f = getattr(space, name, None)
            if hasattr(f, "_overloads"):
                assert f"{name}(" in str(f.__doc__), name
