"""Options of PyTorch's code generator, which are set and read, and change nothing: XLA chooses."""

from types import SimpleNamespace

coordinate_descent_tuning = coordinate_descent_check_all_directions = epilogue_fusion_first = max_autotune = max_autotune_pointwise = False
max_autotune_gemm = force_fuse_int_mm_with_mul = benchmark_kernel = freezing = cpp_wrapper = False
use_mixed_mm = shape_padding = epilogue_fusion = fx_graph_cache = pattern_matcher = inplace_buffers = reorder_for_locality = True
triton = SimpleNamespace(cudagraphs=False, cudagraph_trees=True, unique_kernel_names=True, dense_indexing=False)
cpp = SimpleNamespace(threads=-1, simdlen=None, enable_kernel_profile=False)
