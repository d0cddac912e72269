"""From a data folder to an adapter: `python -m loam_train adapter DATA --on COMPONENT`."""
