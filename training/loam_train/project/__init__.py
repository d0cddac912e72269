"""Projectors: what a tower saw, heard or felt as soft tokens of the backbone (Path 1)."""
