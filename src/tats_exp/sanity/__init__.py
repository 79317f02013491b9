"""What a distance sees, and what it is blind to: `python -m tats_exp.sanity`."""
