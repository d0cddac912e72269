"""The speech tower: a convolutional CTC recogniser, from text corpora and sound to a component that the engine runs."""
