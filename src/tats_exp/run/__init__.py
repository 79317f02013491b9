"""A sweep planned before it starts, and its runs from top to bottom."""
