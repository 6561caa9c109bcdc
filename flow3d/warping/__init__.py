"""Stage 2 of the paper (section 3.2): motion vector, 3D flow, feature volume, warp, and back to a picture."""

from .adain import AdaIN, AdaINConv2d, AdaINConv3d
from .decoder import FeatureDecoder
from .encoder import FeatureEncoder
from .extensions import DepthCollapse, MotionCode, ResidualFlow, flow_to_image, warp_pixels
from .flow_network import FlowNetwork
from .mapping import MappingNetwork
from .stage import Encoded, Flow, Warped, WarpingStage

__all__ = [
    "AdaIN", "AdaINConv2d", "AdaINConv3d", "DepthCollapse", "Encoded", "FeatureDecoder", "FeatureEncoder", "Flow",
    "FlowNetwork", "MappingNetwork", "MotionCode", "ResidualFlow", "Warped", "WarpingStage", "flow_to_image",
    "warp_pixels",
]  # fmt: skip
