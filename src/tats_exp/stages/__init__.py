"""What a run goes through: from what earlier stages left to files in a folder of the store, a stage at a time."""
