"""Generators of pictures: super-resolution."""
