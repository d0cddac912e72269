"""super-image's EDSR, without super-image.

The network and its configuration are plain PyTorch, but importing the package loads readers of data sets and a command line with
what they need. `setup.sh` puts its files into the cache; only those of the network are loaded.
"""

from __future__ import annotations

import importlib
import sys
import types

import paths

#: The package's own, which the configuration takes from the module that reads data sets.
_MEAN, _DEVIATION = (0.4488, 0.4371, 0.4040), (1.0, 1.0, 1.0)


def load() -> types.ModuleType:
    """The module with `EdsrModel` and `EdsrConfig`."""
    for name in ("", ".data", ".models", ".models.edsr"):
        package = types.ModuleType(f"super_image{name}")
        package.__path__ = [str(paths.SUPER_IMAGE.joinpath("super_image", *name.split(".")[1:]))]
        sys.modules[package.__name__] = package
    sets = types.ModuleType("super_image.data.datasets")
    sets.DIV2K_RGB_MEAN, sets.DIV2K_RGB_STD = _MEAN, _DEVIATION
    sys.modules[sets.__name__] = sets
    return importlib.import_module("super_image.models.edsr.modeling_edsr")
