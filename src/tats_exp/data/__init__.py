"""Where videos come from, and how clips are cut from them."""
