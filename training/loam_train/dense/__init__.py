"""Heads over the places of a picture, trained on scenes that are put together from photographs and things."""
