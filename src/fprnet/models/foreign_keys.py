"""The entries of anybody's weights file become a ResNet's, with what was left out.

Other toolkits keep the same network under other names: wrapped by a training's state, with the
prefix of the module that held it, beside heads that a backbone does not have.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

__all__ = ["BackboneEntries", "find_backbone", "unwrap"]

# Entries of a training's state that hold the weights.
WRAPPERS = (
    "state_dict", "model", "model_state_dict", "model_state", "net", "network", "params", "weights",
    "backbone",
)  # fmt: skip
FIRST, LATER = "conv1.weight", "layer1.0.conv1.weight"  # every ResNet has both under one prefix
BACKBONE = re.compile(r"(conv1|bn1|layer\d+)(\.|$)")
# fprnet's own streams: the visible stages, then those that both modalities share.
TRUNKS = ("streams.visible.", "streams.shared.")
# The two-stream baseline of Ye et al. keeps whole ResNets, and uses the stem of one and the stages
# of another.
STEM, STAGES = "visible_module.visible.", "base_resnet.base."
NAMED = 6  # groups of left-out entries that a note names


@dataclass(frozen=True)
class BackboneEntries:
    """What a weights file holds of a ResNet.

    Attributes:
        state: torchvision's keys, "layer1.0.conv1.weight" and so on.
        prefix: What stood before the keys; several are joined by " and ".
        left_out: Group of entries that are no backbone's -> how many.
    """

    state: dict[str, Tensor]
    prefix: str
    left_out: Mapping[str, int]

    def note(self) -> str | None:
        """Return what was done to the entries; None where they were torchvision's."""
        groups = {name: count for name, count in self.left_out.items() if name != "fc"}
        if not self.prefix and not groups:
            return None
        text = f"{len(self.state)} entries are the backbone's"
        if self.prefix:
            text += f", without {self.prefix}"
        if groups:
            named = [f"{name} ({count})" for name, count in list(groups.items())[:NAMED]]
            more = ", ..." if len(groups) > NAMED else ""
            text += f"; left out: {', '.join(named)}{more}"
        return text


def unwrap(state: object) -> object:
    """Return the innermost mapping of weights in a training's state."""
    while isinstance(state, Mapping):  # tensors beside the wrapper are sums of the training's own
        inner = [state[name] for name in WRAPPERS if isinstance(state.get(name), Mapping)]
        if not inner:
            return state
        state = inner[0]
    return state


def find_backbone(state: Mapping[str, Tensor]) -> BackboneEntries:
    """Find a ResNet among the entries of a weights file.

    Args:
        state: Entries by key, of whatever network holds a ResNet.

    Returns:
        Its entries; where there is no ResNet, all entries as they are.
    """
    if any(key.startswith("streams.") for key in state):
        return _taken(state, TRUNKS)
    prefixes = sorted((key.removesuffix(FIRST) for key in state if _is_first(key, state)), key=len)
    wrapper = next((p.removesuffix(STAGES) for p in prefixes if p.endswith(STAGES)), None)
    if wrapper is not None and wrapper + STEM in prefixes:
        return _two_streams(state, wrapper)
    return _taken(state, tuple(prefixes[:1]) or ("",))


def _is_first(key: str, state: Mapping[str, Tensor]) -> bool:
    return key.endswith(FIRST) and key.removesuffix(FIRST) + LATER in state


def _two_streams(state: Mapping[str, Tensor], wrapper: str) -> BackboneEntries:
    stem = _taken(state, (wrapper + STEM,)).state
    stages = _taken(state, (wrapper + STAGES,))
    used = {key: value for key, value in stem.items() if not key.startswith("layer")}
    left_out = {name: n for name, n in stages.left_out.items() if name != _group(wrapper + STEM)}
    prefix = f"{wrapper + STEM!r} (conv1, bn1) and {wrapper + STAGES!r}"
    return BackboneEntries({**stages.state, **used}, prefix, left_out)


def _taken(state: Mapping[str, Tensor], prefixes: tuple[str, ...]) -> BackboneEntries:
    """Return the entries behind prefixes, and count the others by their first words."""
    taken: dict[str, Tensor] = {}
    left_out: Counter[str] = Counter()
    for key, value in state.items():
        prefix = next((p for p in prefixes if key.startswith(p)), None)
        inner = None if prefix is None else key.removeprefix(prefix)
        if inner is not None and BACKBONE.match(inner):
            taken[inner] = value
        else:
            left_out[_group(key)] += 1
    shown = " and ".join(repr(prefix) for prefix in prefixes if prefix)
    return BackboneEntries(taken, shown, dict(left_out))


def _group(key: str) -> str:
    return key.partition(".")[0]
