"""`SummaryWriter`: tensorboardX's, with PyTorch's signatures and torchish's tensors."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorboardX
from tensorboardX.proto.attr_value_pb2 import AttrValue
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.graph_pb2 import GraphDef
from tensorboardX.proto.node_def_pb2 import NodeDef
from tensorboardX.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboardX.proto.versions_pb2 import VersionDef
from tensorboardX.summary import hparams
from tensorboardX.writer import FileWriter

from torchish._tensor.tensor import Tensor


def plain(x: Any) -> Any:
    """Tensors as NumPy arrays, in lists and dictionaries too; anything else as it is."""
    if isinstance(x, Tensor):
        x = x.detach().cpu()
        return (x if x.dtype.np in _NUMPY_HAS else x.float()).numpy()
    if isinstance(x, (list, tuple)) and any(isinstance(i, Tensor) for i in x):
        return [plain(i) for i in x]
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    return x


_NUMPY_HAS = frozenset(np.dtype(t) for t in "?bBhHiIlLqQefdFD")


def _takes_tensors(method: Callable) -> Callable:
    @functools.wraps(method)
    def f(self: Any, *args: Any, **kwargs: Any) -> Any:
        return method(self, *map(plain, args), **plain(kwargs))

    return f


class SummaryWriter(tensorboardX.SummaryWriter):
    """Writes an event file into `log_dir` (`runs/…` with time and host when None); `add_…` take tensors, arrays and numbers.

    A context manager; `flush()` and `close()` make sure that everything is on disk.
    """

    __module__ = "torch.utils.tensorboard.writer"

    def __init__(self, log_dir: str | os.PathLike | None = None, comment: str = "", purge_step: int | None = None, max_queue: int = 10,
                 flush_secs: int = 120, filename_suffix: str = ""):  # fmt: skip
        super().__init__(
            logdir=None if log_dir is None else str(log_dir), comment=comment, purge_step=purge_step, max_queue=max_queue,
            flush_secs=flush_secs, filename_suffix=filename_suffix,
        )  # fmt: skip
        self.log_dir = self.logdir

    def get_logdir(self) -> str:
        """The folder of the event files."""
        return self.log_dir

    def add_scalar(self, tag: str, scalar_value: Any, global_step: Any = None, walltime: float | None = None, new_style: bool = False,
                   double_precision: bool = False) -> None:  # fmt: skip
        """One number: a point of the curve `tag`."""
        super().add_scalar(tag, plain(scalar_value), global_step, walltime)

    def add_images(self, tag: str, img_tensor: Any, global_step: Any = None, walltime: float | None = None,
                   dataformats: str = "NCHW") -> None:  # fmt: skip
        """Several images: a tensor or array in `dataformats`, or a list of images (then `dataformats` is that of one)."""
        images = plain(img_tensor)
        if isinstance(images, list):
            images, dataformats = np.stack(images), dataformats if dataformats.upper().startswith("N") else "N" + dataformats
        super().add_images(tag, images, global_step, walltime, dataformats)

    def add_hparams(self, hparam_dict: dict[str, Any], metric_dict: dict[str, Any], hparam_domain_discrete: dict | None = None,
                    run_name: str | None = None, global_step: Any = None) -> None:  # fmt: skip
        """Hyperparameters and the metrics that they led to, as a run of their own below `log_dir`."""
        if type(hparam_dict) is not dict or type(metric_dict) is not dict:
            raise TypeError("hparam_dict and metric_dict should be dictionary.")
        metrics = plain(metric_dict)
        parts = hparams(plain(hparam_dict), metrics)
        with SummaryWriter(os.path.join(self.log_dir, run_name or str(time.time()))) as run:
            for part in parts:
                run._get_file_writer().add_summary(part)
            for name, value in metrics.items():
                run.add_scalar(name, value, global_step)

    def add_graph(self, model: Any, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True) -> None:
        """The operations that `model(input_to_model)` records for its gradient, and the parameters that they use."""
        inputs = input_to_model if isinstance(input_to_model, (tuple, list)) else (input_to_model,)
        result = model(*inputs)
        nodes = graph_nodes(result, dict(model.named_parameters()))
        if verbose:
            print(*nodes, sep="\n")
        graph = GraphDef(node=nodes, versions=VersionDef(producer=22))
        self._get_file_writer().add_event(Event(graph_def=graph.SerializeToString()))

    def __repr__(self) -> str:
        return object.__repr__(self)


for _name in ("add_scalars", "add_histogram", "add_histogram_raw", "add_image", "add_image_with_boxes", "add_video", "add_audio",
              "add_embedding", "add_pr_curve", "add_pr_curve_raw", "add_mesh"):  # fmt: skip
    setattr(SummaryWriter, _name, _takes_tensors(getattr(tensorboardX.SummaryWriter, _name)))


def graph_nodes(result: Any, parameters: dict[str, Tensor]) -> list[NodeDef]:
    """The backward graph of `result` (a tensor, or several) as TensorBoard's nodes, from results to parameters."""
    names = {id(p): name for name, p in parameters.items()}
    stack: list[Any] = [t.grad_fn for t in _tensors(result) if t.grad_fn is not None]
    labels: dict[Any, str] = {}
    found = []

    def label(fn: Any) -> str:
        if fn not in labels:
            variable = getattr(fn, "variable", None)
            if variable is None:
                labels[fn] = f"operations/{fn.name().removesuffix('0').removesuffix('Backward')}_{len(labels)}"
            else:
                labels[fn] = "parameters/" + names.get(id(variable), f"tensor_{len(labels)}").replace(".", "/")
        return labels[fn]

    seen = set()
    while stack:
        fn = stack.pop()
        if fn in seen:
            continue
        seen.add(fn)
        children = [child for child, _ in fn.next_functions if child is not None]
        stack += children
        node = NodeDef(name=label(fn), op=fn.name(), input=[label(c) for c in children])
        variable = getattr(fn, "variable", None)
        if variable is not None:
            shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=n) for n in variable.shape])
            node.attr["_output_shapes"].CopyFrom(AttrValue(list=AttrValue.ListValue(shape=[shape])))
        found.append(node)
    return found


def _tensors(x: Any) -> list[Tensor]:
    if isinstance(x, Tensor):
        return [x]
    values = x.values() if isinstance(x, dict) else x if isinstance(x, (tuple, list)) else ()
    return [t for v in values for t in _tensors(v)]


__all__ = ["FileWriter", "SummaryWriter"]
