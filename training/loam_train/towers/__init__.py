"""Encoders of pictures, sound and motion, trained into the space of a frozen text encoder."""
