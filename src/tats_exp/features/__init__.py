"""Fixed networks that look at pixels: features for distances, logits for labels."""
