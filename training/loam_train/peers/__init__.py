"""How long models of one task take, and what they hold, each in a process of its own."""
