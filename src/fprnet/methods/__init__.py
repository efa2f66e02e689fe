"""Methods of the field, a folder for each family: heads, losses, configs and tests side by side.

``levels`` is the default's family (also one- and two-stream, zero-padding, AGW), ``paper`` the
paper's own (also BCTR, BDTR, ResNet-50), ``cmgan`` and ``svdnet`` one system each. ``network``
joins backbone, pyramid and heads. The dicts below are what a config can name.
"""

from fprnet.methods.cmgan.discriminator import ModalityDiscriminator
from fprnet.methods.cmgan.objective import AdversarialLoss
from fprnet.methods.levels.head import LevelPrediction
from fprnet.methods.levels.objective import LevelLoss
from fprnet.methods.network import streams
from fprnet.methods.paper.head import CrossModalityPrediction
from fprnet.methods.paper.objective import HybridLoss
from fprnet.methods.svdnet.restraint import Restraint

__all__ = ["AUXILIARIES", "CALLBACKS", "HEADS", "LOSSES", "NETWORKS"]

NETWORKS = {"streams": streams}
HEADS = {"levels": LevelPrediction, "cross-modality": CrossModalityPrediction}
AUXILIARIES = {"modality-discriminator": ModalityDiscriminator}
LOSSES = {"levels": LevelLoss, "hybrid": HybridLoss, "adversarial": AdversarialLoss}
CALLBACKS = {"restraint": Restraint}
