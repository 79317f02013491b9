"""From YAML to a checked run: schema, composing, checks, and what builds the objects that a config describes."""
