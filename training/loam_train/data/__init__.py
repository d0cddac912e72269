"""Data folders: the format that `adapter` trains on and `loam eval` scores; `docs/data-folders.md` describes it."""

from .example import Example, Split
from .folder import DataFolder, open_data

__all__ = ["DataFolder", "Example", "Split", "open_data"]
