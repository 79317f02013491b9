"""Videos of any model, measured: `python -m tats_exp.evaluate`."""
