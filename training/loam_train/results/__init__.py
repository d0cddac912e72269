"""The table of all tasks: their own model, zero-shot, 16 examples a class, and the adapter, as the engine scores them."""
