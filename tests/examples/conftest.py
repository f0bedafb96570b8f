"""Most of an example's short run is compiling: without `TORCHISH_TEST_EXAMPLES=all` only these are run."""

import os

QUICK = {"mnist-files", "reinforce", "word_language_model-lstm", "dcgan", "fgsm"}


def pytest_collection_modifyitems(config, items):
    if os.environ.get("TORCHISH_TEST_EXAMPLES") == "all":
        return
    runs = [item for item in items if getattr(item, "originalname", None) == "test_example_learns_and_draws"]
    left_out = [item for item in runs if item.callspec.params["name"] not in QUICK]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
