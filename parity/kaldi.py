"""torchaudio's Kaldi filter bank, without torchaudio.

`torchaudio.compliance.kaldi` is plain Python, but importing the package loads an
extension that must match torch's build, and transformers takes another code path
where it is installed. `setup.sh` puts its files into the cache; only this one
is loaded.
"""

from __future__ import annotations

import importlib.util
import sys
import types

import paths


def load() -> types.ModuleType:
    path = paths.TORCHAUDIO / "torchaudio" / "compliance" / "kaldi.py"
    # Imported by name in the file and used only for MFCCs.
    sys.modules["torchaudio"] = types.ModuleType("torchaudio")
    try:
        spec = importlib.util.spec_from_file_location("torchaudio_kaldi", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        del sys.modules["torchaudio"]
    return module
