"""Models of one task each for the tasks of eAIBench whose answers are no classes: texts, places of pictures, likenesses."""
