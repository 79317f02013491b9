"""One video from a finished run, of any length: `python -m tats_exp.sample`."""
