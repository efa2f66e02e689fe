"""The method "patches": its network, its loss and its preset side by side."""

from stranger.patches.network import Patches
from stranger.patches.objective import PatchLoss

__all__ = ["PatchLoss", "Patches"]
