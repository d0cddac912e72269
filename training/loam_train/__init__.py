"""Trains Loam's own towers into the space of its text encoder, and compares them with the engine that runs them."""
