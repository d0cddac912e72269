"""Models made for one task alone: what an adapter is measured against."""
