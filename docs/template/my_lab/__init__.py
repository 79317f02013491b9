"""A package of one's own: rename it, keep what you need."""
