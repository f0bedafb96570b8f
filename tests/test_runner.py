"""The script runner and `install`: a script must not be able to tell `python -m torchish` from `python`.

Most of these tests run on a toy torchish of a few lines that has the real `_runner` and `__main__`: what they hold
is the business of the runner alone, and a process starts in 0.1 s. The last section runs the whole package.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "torchish"

TOY = {
    "__init__.py": """
        from torchish._runner import install, missing_attribute, uninstall
        from torchish import data, nn, utils

        class Tensor:
            def __init__(self, value):
                self.value = value
            def __eq__(self, other):
                return self.value == other.value

        Tensor.__module__ = "torch"

        def add(a, b):
            return _add(a, b)

        def _add(a, b):
            raise RuntimeError("sizes do not match")

        def call(function):
            return function()

        def __getattr__(name):
            raise missing_attribute(__name__, name)
    """,
    "nn/__init__.py": """
        from torchish.nn import functional
        from torchish.nn.parameter import Parameter
        from torchish._runner import missing_attribute

        def __getattr__(name):
            raise missing_attribute(__name__, name)
    """,
    "nn/functional.py": "def relu(x): return max(x, 0)",
    "nn/parameter.py": """
        class Parameter: pass
        Parameter.__module__ = "torch.nn.parameter"
    """,
    "compiler.py": "def reset(): pass",
    "utils/__init__.py": "from torchish import data",
    "data/__init__.py": "from torchish.data.dataset import Dataset",
    "data/dataset.py": "class Dataset: pass",
    "functorch.py": "",
    "broken.py": "import a_module_that_is_not_there",
    "engine.py": "",
}


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    """A folder with the toy torchish, and torchvision's name unclaimed."""
    root = tmp_path_factory.mktemp("toy")
    write(root, {f"torchish/{name}": text for name, text in TOY.items()})
    shutil.copytree(PACKAGE / "_runner", root / "torchish/_runner", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PACKAGE / "__main__.py", root / "torchish")
    return root


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))


def run(*args, cwd, path=None, stdin="", **environment):
    environment = {**os.environ, "PYTHONPATH": str(path or ""), **environment}
    return subprocess.run(
        [sys.executable, *args], cwd=cwd, input=stdin, env=environment, capture_output=True, text=True, timeout=120
    )


@pytest.fixture
def torchish(toy, tmp_path):
    """Runs `python -m torchish ARGS` on the toy, in the test's folder."""
    return lambda *args, **kwargs: run("-m", "torchish", *args, cwd=kwargs.pop("cwd", tmp_path), path=toy, **kwargs)


@pytest.fixture
def python(toy, tmp_path):
    """Runs `python ARGS` in the test's folder, with the toy torchish importable."""
    return lambda *args, **kwargs: run(*args, cwd=kwargs.pop("cwd", tmp_path), path=toy, **kwargs)


def outcome(done):
    return done.returncode, done.stdout, done.stderr


def last_line(text):
    return text.strip().splitlines()[-1]


def frames(stderr):
    return [line.strip() for line in stderr.splitlines() if line.startswith("  File")]


# The script is __main__ -----------------------------------------------------------------------------------------------

SHOW_MAIN = """
    import sys, __main__
    print(list(globals()))
    for name in "__name__ __doc__ __package__ __annotations__ __file__ __cached__".split():
        print(name, globals().get(name, "absent"))
    print(type(__loader__), getattr(__loader__, "path", None), __spec__ and (__spec__.name, __spec__.origin))
    print(sys.argv, sys.path[0])
    print(vars(__main__) is globals(), sys.modules["__main__"] is __main__, __builtins__)
"""

FORMS = {
    "script": ["script.py", "a", "-b"],
    "script in a folder": ["folder/script.py"],
    "link": ["link.py"],
    "absolute": ["{tmp}/script.py"],
    "dotted": ["./script.py"],
    "roundabout": ["folder/../script.py"],
    "stdin": ["-", "a"],
    "string": ["-c", "{source}", "a", "-m"],
    "module": ["-m", "package.module", "a"],
    "joined option": ["-mpackage.module"],
    "package": ["-m", "package", "--flag"],
    "folder": ["package", "x"],
    "dotted folder": ["./package/"],
    "zip": ["archive.zip", "y"],
}


@pytest.mark.parametrize("form", FORMS)
def test_main_is_what_python_makes_of_it(form, python, torchish, tmp_path):
    source = textwrap.dedent(SHOW_MAIN)
    names = ["script.py", "folder/script.py", "package/__init__.py", "package/__main__.py", "package/module.py"]
    write(tmp_path, dict.fromkeys(names, source))
    (tmp_path / "package/__init__.py").write_text("")
    (tmp_path / "link.py").symlink_to("folder/script.py")
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("__main__.py", source)
    args = [arg.format(tmp=tmp_path, source=source) for arg in FORMS[form]]
    stdin = source if "-" in args else ""
    expected = python(*args, stdin=stdin)
    assert expected.returncode == 0, expected.stderr
    assert outcome(torchish(*args, stdin=stdin)) == outcome(expected)


def test_script_without_argument_comes_from_stdin(torchish):
    assert torchish(stdin="import sys; print(sys.argv)").stdout == "['-']\n"


def test_safe_path_is_respected(toy, python, tmp_path):
    write(tmp_path, {"script.py": "import sys; print(sys.path)"})
    done = run("-P", "-m", "torchish", "script.py", cwd=tmp_path, path=toy)
    assert outcome(done) == outcome(python("-P", "script.py"))


def test_script_imports_its_neighbours_before_those_of_the_working_directory(torchish, tmp_path):
    write(tmp_path, {"neighbour.py": "x = 'cwd'", "folder/neighbour.py": "x = 'script'"})
    write(tmp_path, {"folder/script.py": "import neighbour; print(neighbour.x)"})
    assert torchish("folder/script.py").stdout == "script\n"


def test_source_encoding_and_future_imports_are_the_scripts_own(torchish, tmp_path):
    (tmp_path / "script.py").write_bytes("# coding: latin-1\nprint('é')\nx: undefined".encode("latin-1"))
    done = torchish("script.py", PYTHONIOENCODING="utf-8")
    assert done.stdout == "é\n"
    assert "name 'undefined' is not defined" in done.stderr  # no `from __future__ import annotations` leaks in


def test_exit_handlers_and_threads_see_the_scripts_main(python, torchish, tmp_path):
    write(
        tmp_path,
        {
            "script.py": """
                import atexit, sys, threading, time
                x = 1
                atexit.register(lambda: print("exit", sys.modules["__main__"].x))
                threading.Thread(target=lambda: (time.sleep(0.2), print("thread", sys.modules["__main__"].x))).start()
                print("end")
            """
        },
    )
    assert outcome(torchish("script.py")) == outcome(python("script.py")) == (0, "end\nthread 1\nexit 1\n", "")


def test_interactive_mode_goes_on_in_the_scripts_namespace(toy, tmp_path):
    write(tmp_path, {"script.py": "x = 41"})
    done = run("-i", "-m", "torchish", "script.py", cwd=tmp_path, path=toy, stdin="print(x + 1)\n")
    assert done.stdout == "42\n"


# Errors and exit codes ------------------------------------------------------------------------------------------------

ENDINGS = {
    "error": "def f():\n    raise ValueError('x')\nf()",
    "multi-line call": "def f(*a):\n    1 / 0\nf(1,\n  f(\n  2))",
    "syntax error": "x = 1\ndef f(:\n    pass",
    "indentation error": "if True:\nx = 1",
    "undefined name": "import math\nmath.sqroot(1)",
    "cause": "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('x') from e",
    "context": "try:\n    1 / 0\nexcept ZeroDivisionError:\n    [][0]",
    "group": "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ExceptionGroup('several', [e, ValueError(1)])",
    "notes": "e = ValueError('x')\ne.add_note('and more')\nraise e",
    "assertion": "assert 1 == 2, 'no'",
    "imported module fails": "import neighbour",
    "no such module": "import a_module_that_is_not_there",
    "exit": "import sys\nprint('a')\nsys.exit()",
    "exit 3": "raise SystemExit(3)",
    "exit text": "import sys\nsys.exit('the reason')",
    "exit object": "raise SystemExit((1, 2))",
    "hard exit": "import os\nos._exit(7)",
    "base exception": "class Stop(BaseException): pass\nraise Stop('x')",
    "interrupt": "raise KeyboardInterrupt",
    "killed": "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)",
    "own hook": "import sys, traceback\n"
    "sys.excepthook = lambda t, v, tb: print('hook', t, v, traceback.extract_tb(tb), v.__traceback__ is tb)\n1 / 0",
    "order": "import atexit\natexit.register(print, 'bye')\nprint('hi', flush=True)\n1 / 0",
    "atexit sees the error": "import atexit, sys, traceback\n"
    "atexit.register(lambda: print(repr(sys.last_value), traceback.extract_tb(sys.last_traceback)))\n1 / 0",
    "thread": "import threading\ndef f():\n    1 / 0\nt = threading.Thread(target=f)\nt.start()\nt.join()",
    "warning": "import warnings\ndef f():\n    warnings.warn('careful', stacklevel=2)\nf()",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_script_ends_as_under_python(ending, python, torchish, tmp_path):
    write(tmp_path, {"script.py": ENDINGS[ending], "neighbour.py": "def f():\n    1 / 0\nf()"})
    assert outcome(torchish("script.py")) == outcome(python("script.py"))


@pytest.mark.parametrize("ending", ["error", "syntax error", "cause", "interrupt", "exit 3"])
def test_stdin_and_string_end_as_under_python(ending, python, torchish):
    source = ENDINGS[ending]
    assert outcome(torchish("-", stdin=source)) == outcome(python("-", stdin=source))
    assert outcome(torchish("-c", source)) == outcome(python("-c", source))


@pytest.mark.parametrize(
    "args",
    [["absent.py"], ["-m", "absent"], ["-m", "absent.module"], ["-m", "empty"], ["empty"], ["-m", "json.absent"]],
    ids=" ".join,
)
def test_what_cannot_be_run_is_reported_as_by_python(args, python, torchish, tmp_path):
    (tmp_path / "empty").mkdir()
    assert outcome(torchish(*args)) == outcome(python(*args))


def test_interrupt_from_the_keyboard(toy, tmp_path):
    listen = "signal.signal(signal.SIGINT, signal.default_int_handler)"  # what runs in the background is started without
    write(tmp_path, {"script.py": f"import signal, time; {listen}\nprint('ready', flush=True); time.sleep(60)"})
    with subprocess.Popen(
        [sys.executable, "-m", "torchish", "script.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(toy)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        stderr = process.stderr.read()
    assert process.returncode == -signal.SIGINT
    assert frames(stderr) == [f'File "{tmp_path}/script.py", line 2, in <module>']
    assert last_line(stderr) == "KeyboardInterrupt"


@pytest.mark.parametrize("args", [["-m"], ["-c"], ["-x", "script.py"]], ids=" ".join)
def test_bad_command_line(args, torchish):
    done = torchish(*args)
    assert done.returncode == 2
    assert "usage: python -m torchish" in done.stderr


def test_help(torchish):
    done = torchish("--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: python -m torchish SCRIPT")


def test_traceback_shows_the_scripts_frames_only(torchish, tmp_path):
    write(
        tmp_path,
        {
            "script.py": """
                import torch

                def loss():
                    return torch.add(1, 2)

                torch.call(loss)
            """
        },
    )
    done = torchish("script.py")
    assert frames(done.stderr) == [
        f'File "{tmp_path}/script.py", line 6, in <module>',
        f'File "{tmp_path}/script.py", line 4, in loss',
    ]
    assert last_line(done.stderr) == "RuntimeError: sizes do not match"

    full = torchish("script.py", TORCHISH_FULL_TRACEBACK="1")
    functions = [line.rpartition(" ")[2] for line in frames(full.stderr)]
    assert functions == ["<module>", "call", "loss", "add", "_add"]


def test_traceback_of_a_cause_and_of_a_group_show_the_scripts_frames_only(torchish, tmp_path):
    write(
        tmp_path,
        {
            "script.py": """
                import torch
                errors = []
                for _ in range(2):
                    try:
                        torch.add(1, 2)
                    except RuntimeError as error:
                        errors.append(error)
                raise ExceptionGroup("both", errors) from errors[0]
            """
        },
    )
    stderr = torchish("script.py").stderr
    assert stderr.count("torch.add(1, 2)") == 3
    assert f"{os.sep}torchish{os.sep}" not in stderr


# Imports --------------------------------------------------------------------------------------------------------------


def test_pytorch_modules_are_torchish_modules(torchish):
    code = """
    import torch, torch.nn as nn, torch.nn.functional as F
    from torch import Tensor, utils
    from torch.nn import Parameter
    from torch.utils.data import Dataset
    import torch.utils.data.dataset
    import functorch, sys, torchish
    assert torch is torchish and nn is torchish.nn and F is torchish.nn.functional
    assert torch.utils.data is torchish.data and torch.utils.data.dataset is torchish.data.dataset
    for theirs, ours in {
        "torch": "torchish", "torch.nn": "torchish.nn", "torch.utils.data": "torchish.data",
        "torch.utils.data.dataset": "torchish.data.dataset", "functorch": "torchish.functorch",
    }.items():
        assert sys.modules[theirs] is sys.modules[ours]
        assert sys.modules[theirs].__spec__.name == ours
    print(Tensor, Parameter)
    """
    done = torchish("-c", textwrap.dedent(code))
    assert outcome(done) == (0, "<class 'torch.Tensor'> <class 'torch.nn.parameter.Parameter'>\n", "")


def test_import_torch_brings_its_submodules(torchish):
    done = torchish("-c", "import torch, sys; print(sorted(m for m in sys.modules if m.startswith('torch.')))")
    assert eval(done.stdout) == [
        "torch.nn",
        "torch.nn.functional",
        "torch.nn.parameter",
        "torch.utils",
        "torch.utils.data",
        "torch.utils.data.dataset",
    ]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import torch.fft", "ModuleNotFoundError: No module named 'torch.fft' (torchish does not have it)"),
        (
            "from torch.nn.attention import flex",
            "ModuleNotFoundError: No module named 'torch.nn.attention' (torchish does not have it)",
        ),
        (
            "from torch.compiler.config import x",
            "ModuleNotFoundError: No module named 'torch.compiler.config' (torchish does not have it)",
        ),
        ("import torchvision", "ModuleNotFoundError: No module named 'torchvision' (torchish does not have it)"),
        ("import torch.data", "ModuleNotFoundError: No module named 'torch.data' (torchish does not have it)"),
        ("import torch.engine", "ModuleNotFoundError: No module named 'torch.engine' (torchish does not have it)"),
        ("import torch.broken", "ModuleNotFoundError: No module named 'a_module_that_is_not_there'"),
        (
            "import torch; torch.jit",
            "AttributeError: module 'torch' has no attribute 'jit' (torchish does not have it)",
        ),
        (
            "import torch; torch.nn.Paramete",
            "AttributeError: module 'torch.nn' has no attribute 'Paramete'. Did you mean: 'Parameter'?",
        ),
    ],
)
def test_what_torchish_lacks_says_so_at_the_scripts_line(code, error, torchish, tmp_path):
    write(tmp_path, {"script.py": code})
    done = torchish("script.py")
    assert done.returncode == 1
    assert last_line(done.stderr) == error
    assert frames(done.stderr) == [f'File "{tmp_path}/script.py", line 1, in <module>']


def test_names_can_be_asked_for(torchish):
    code = """
    import importlib.util, torch
    print([hasattr(torch, name) for name in ("add", "jit")])
    print([importlib.util.find_spec(name) is not None for name in ("torch", "torch.nn", "torch.fft", "torchvision")])
    """
    done = torchish("-c", textwrap.dedent(code))
    assert outcome(done) == (0, "[True, False]\n[True, True, False, False]\n", "")


def test_classes_are_pickled_by_reference(torchish):
    code = """
    import pickle, torch
    assert pickle.loads(pickle.dumps(torch.Tensor)) is torch.Tensor
    assert pickle.loads(pickle.dumps(torch.Tensor(3))) == torch.Tensor(3)
    assert pickle.loads(pickle.dumps(torch.nn.Parameter)) is torch.nn.Parameter
    class Point: pass
    assert pickle.loads(pickle.dumps(Point)) is Point
    """
    done = torchish("-c", textwrap.dedent(code))
    assert outcome(done) == (0, "", "")


def test_an_installed_pytorch_stays_out_of_the_way(torchish, tmp_path):
    write(tmp_path, {"torch/__init__.py": "x = 1", "torch/fft.py": "", "torchvision.py": ""})
    write(tmp_path, {"script.py": "import torch, torchish\nassert torch is torchish\nimport torch.fft"})
    assert "'torch.fft' (torchish does not have it)" in torchish("script.py").stderr


# Worker processes -----------------------------------------------------------------------------------------------------

WORKERS = """
    import concurrent.futures, multiprocessing, os, sys
    import torch
    from torch.utils.data import Dataset

    class Squares(Dataset):
        def __getitem__(self, i):
            return torch.Tensor(i * i)

    def work(dataset, i):
        import torch.nn.functional as F, torchish
        assert isinstance(dataset, Squares) and torch is torchish and F is torchish.nn.functional
        return dataset[i], __name__

    def main():
        method = sys.argv[1]
        os.chdir("/")
        context = multiprocessing.get_context(method)
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            results = list(pool.map(work, [Squares()] * 3, range(3)))
        assert [tensor for tensor, _ in results] == [torch.Tensor(0), torch.Tensor(1), torch.Tensor(4)]
        print(sorted({name for _, name in results}))

    if __name__ == "__main__":
        main()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("form", ["script", "module", "torchish in the working directory"])
def test_workers_know_the_script_and_torch(method, form, toy, torchish, python, tmp_path):
    write(tmp_path, {"script.py": WORKERS})
    if form == "script":
        done = torchish("script.py", method)
    elif form == "module":
        done = torchish("-m", "script", method)
    else:
        done = run("-m", "torchish", str(tmp_path / "script.py"), method, cwd=toy)
    assert outcome(done) == (0, "['__main__']\n" if method == "fork" else "['__mp_main__']\n", "")


def test_fork_server_that_preloads_the_script(torchish, tmp_path):
    """As Python's later patch releases do, where this one leaves `main_path` out of what it hands the server."""
    write(
        tmp_path,
        {
            "script.py": """
                import multiprocessing, sys
                from multiprocessing import spawn
                import torch
                inner = spawn.get_preparation_data

                def with_main_path(name):
                    data = inner(name)
                    if "init_main_from_path" in data:
                        data["main_path"] = data["init_main_from_path"]
                    return data

                def work():
                    print(torch.Tensor)

                if __name__ == "__main__":
                    import torchish
                    torchish.uninstall()
                    inner = spawn.get_preparation_data
                    spawn.get_preparation_data = with_main_path
                    torchish.install()
                    context = multiprocessing.get_context("forkserver")
                    context.set_forkserver_preload(["__main__"])
                    process = context.Process(target=work)
                    process.start()
                    process.join()
                    sys.exit(process.exitcode)
            """
        },
    )
    assert outcome(torchish("script.py")) == (0, "<class 'torch.Tensor'>\n", "")


def test_workers_of_an_installing_process(python, tmp_path):
    write(
        tmp_path,
        {
            "script.py": """
                import multiprocessing, torchish

                def work(queue, tensor):
                    import torch
                    queue.put(torch is torchish and isinstance(tensor, torch.Tensor))

                if __name__ == "__main__":
                    torchish.install()
                    context = multiprocessing.get_context("spawn")
                    queue = context.Queue()
                    process = context.Process(target=work, args=(queue, torchish.Tensor(1)))
                    process.start()
                    print(queue.get(timeout=60))
                    process.join()
            """
        },
    )
    assert outcome(python("script.py")) == (0, "True\n", "")


# install and uninstall ------------------------------------------------------------------------------------------------


def test_install_is_idempotent_and_uninstall_restores(python, tmp_path):
    write(tmp_path, {"torch/__init__.py": "name = 'the real one'", "torch/nn.py": ""})
    code = """
    import sys
    from multiprocessing import spawn
    hooks, prepare, modules = list(sys.meta_path), spawn.get_preparation_data, set(sys.modules)
    import torchish
    for _ in range(2):
        torchish.install()
        torchish.install()
        import torch.nn
        assert torch is torchish
        assert len(sys.meta_path) == len(hooks) + 1
        torchish.uninstall()
        torchish.uninstall()
        assert sys.meta_path == hooks and spawn.get_preparation_data is prepare
        assert not any(name.partition(".")[0] == "torch" for name in sys.modules)
    import torch.nn
    print(torch.name)
    """
    assert outcome(python("-c", textwrap.dedent(code))) == (0, "the real one\n", "")


def test_a_script_that_logs_does_not_log_how_jax_compiles_it(torchish, python):
    says = "logging.basicConfig(level=0); [logging.getLogger(n).info(n) for n in ('jax._src.dispatch', 'mine')]"
    assert outcome(torchish("-c", f"import logging; {says}")) == (0, "", "INFO:mine:mine\n")
    both = "INFO:jax._src.dispatch:jax._src.dispatch\nINFO:mine:mine\n"
    assert outcome(torchish("-c", f"import logging; logging.getLogger('jax').setLevel(10); {says}")) == (0, "", both)
    assert outcome(python("-c", f"import logging, torchish; torchish.install(); torchish.uninstall(); {says}")) == (0, "", both)


def test_uninstall_under_somebody_elses_hook(python):
    code = """
    from multiprocessing import spawn
    import torchish
    torchish.install()
    ours = spawn.get_preparation_data
    spawn.get_preparation_data = lambda name: {**ours(name), "theirs": 1}
    for _ in range(3):
        torchish.uninstall()
        assert {"torchish", "theirs"} & set(spawn.get_preparation_data("x")) == {"theirs"}
        torchish.install()
        assert {"torchish", "theirs"} < set(spawn.get_preparation_data("x"))
    """
    assert outcome(python("-c", textwrap.dedent(code))) == (0, "", "")


def test_install_after_pytorch_was_imported(python, tmp_path):
    write(tmp_path, {"torch/__init__.py": ""})
    done = python("-c", "import torch, torchish, sys\ntry: torchish.install()\nfinally: print(len(sys.meta_path))")
    assert done.stdout == python("-c", "import sys; print(len(sys.meta_path))").stdout
    assert last_line(done.stderr) == (
        "RuntimeError: PyTorch itself is already imported in this process ('torch' is in sys.modules), and a process "
        "has room for one `torch`. Call torchish.install() before anything imports torch, or start the script with "
        "`python -m torchish SCRIPT`."
    )


def test_install_where_pytorch_is_blocked(python):
    code = "import sys; sys.modules['torch'] = None; import torchish; torchish.install(); import torch; print(torch.nn)"
    assert python("-c", code).stdout.startswith("<module 'torchish.nn'")


def test_the_runner_alone_is_light(python):
    code = "import torchish._runner, sys; print({'jax', 'numpy', 'argparse', 'concurrent.futures'} & set(sys.modules))"
    assert python("-c", code).stdout == "set()\n"


# The whole package, next to PyTorch -----------------------------------------------------------------------------------

ERRORS = {
    "shapes": """
        import torch

        def add():
            return torch.ones(2, 3) + torch.ones(4, 5)

        add()
    """,
    "in a callback": """
        import torch

        class Square(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x.view(7)

        try:
            Square.apply(torch.ones(3))
        except RuntimeError as error:
            raise ValueError("not a square") from error
    """,
    "not a scalar": """
        import torch
        x = torch.ones(2, requires_grad=True)
        (x * 2).backward()
    """,
    "in a worker process": """
        from torch.utils.data import DataLoader, Dataset

        class Numbers(Dataset):
            def __len__(self):
                return 4

            def __getitem__(self, index):
                return 1 / index

        for batch in DataLoader(Numbers(), num_workers=1):
            pass
    """,
}


@pytest.mark.parametrize("error", ERRORS)
def test_traceback_is_pytorchs_without_the_library_in_it(error, tmp_path):
    write(tmp_path, {"script.py": ERRORS[error]})
    ours = run("-m", "torchish", "script.py", cwd=tmp_path, path=PACKAGE.parent)
    theirs = run("script.py", cwd=tmp_path)
    assert outcome(ours) == (1, "", without_frames_of(importlib.util.find_spec("torch").origin, theirs.stderr))


def without_frames_of(package, stderr):
    """A traceback's text without the frames, and the source lines below them, of a package."""
    kept, inside = [], False
    for line in stderr.splitlines(keepends=True):
        if line.startswith("  File"):
            inside = line.startswith(f'  File "{os.path.dirname(package)}{os.sep}')
        elif not line.startswith("    "):
            inside = False
        if not inside:
            kept.append(line)
    return "".join(kept)


def test_spawned_worker_computes(tmp_path):
    write(
        tmp_path,
        {
            "script.py": """
                import multiprocessing, torch

                class Model(torch.nn.Module):
                    def forward(self, x):
                        return x * 2 + 1

                def work(model, queue):
                    queue.put(model(torch.ones(2)).tolist())

                if __name__ == "__main__":
                    context = multiprocessing.get_context("spawn")
                    queue = context.Queue()
                    process = context.Process(target=work, args=(Model(), queue))
                    process.start()
                    print(queue.get(timeout=100))
                    process.join()
            """
        },
    )
    done = run("-m", "torchish", "script.py", cwd=tmp_path, path=PACKAGE.parent)
    assert outcome(done) == (0, "[3.0, 3.0]\n", "")


def test_missing_names_of_submodules_are_named_as_in_pytorch(tmp_path):
    code = """
    import torch
    modules = [torch.optim, torch.nn.functional, torch.linalg, torch.fft, torch.func, torch.backends.cudnn, torch.cuda, torch.testing]
    import torch.nn.utils.rnn
    for module in [*modules, torch.nn.utils.rnn]:
        try:
            module.no_such_name
        except AttributeError as error:
            print(error)
    print(hasattr(torch.optim, "no_such_name"))
    """
    write(tmp_path, {"script.py": code})
    ours = run("-m", "torchish", "script.py", cwd=tmp_path, path=PACKAGE.parent)
    assert outcome(ours) == outcome(run("script.py", cwd=tmp_path))


def test_default_device_of_the_command_line(tmp_path):
    write(tmp_path, {"script.py": "import sys, torch\nprint(torch.ones(2).device, sys.argv[1:])"})
    for option in (["--device", "meta"], ["--device=meta"]):
        done = run("-m", "torchish", *option, "script.py", "--device", "x", cwd=tmp_path, path=PACKAGE.parent)
        assert outcome(done) == (0, "meta ['--device', 'x']\n", "")


@pytest.mark.parametrize(
    ("device", "error"), [("xpu", "Torch not compiled with XPU enabled"), ("gpu", "device type at start of device string: gpu")]
)
def test_device_that_is_not_there(device, error, tmp_path):
    write(tmp_path, {"script.py": "print(1)"})
    done = run("-m", "torchish", "--device", device, "script.py", cwd=tmp_path, path=PACKAGE.parent)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"--device {device}: ") and error in done.stderr
    assert "The devices that JAX sees here: " in done.stderr
