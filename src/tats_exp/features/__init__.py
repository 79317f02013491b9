"""Fixed networks that look at pixels: features for distances, logits for labels."""

from tats_exp.features.i3d import I3D
from tats_exp.features.shapes_cnn import ShapesCNN
from tats_exp.features.video_network import VideoClassifier, VideoNetwork

__all__ = ["I3D", "ShapesCNN", "VideoClassifier", "VideoNetwork"]
