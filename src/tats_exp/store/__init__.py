"""What lies in a store, whether it is whole, and what of it nobody refers to any more: `python -m tats_exp.store`."""
