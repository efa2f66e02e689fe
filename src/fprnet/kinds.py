"""The kinds of components: which public dict lists each, and what the program supplies to it.

A word of a config that chooses code is a key of the dict named here, or an import path of somebody
else's code (:mod:`fprnet.components`). A component is called with the supplied arguments, by
position, and with its options; what it returns is said in the comment. Losses and augmentation
steps may also be plain functions: they are what is returned, and their further parameters are
their options.
"""

from __future__ import annotations

from fprnet.components import Kind

__all__ = [
    "AUGMENTATION_PAIR_STEP",
    "AUGMENTATION_STEP",
    "AUXILIARY",
    "BACKBONE",
    "CALLBACK",
    "DETECTOR",
    "HEAD",
    "KINDS",
    "LOSS",
    "METRIC",
    "NETWORK",
    "OPTIMIZER",
    "RANKING_LOSS",
    "READER",
    "RUNTIME",
    "SAMPLER",
    "SCHEDULE",
]

# A fprnet.models.backbones.Backbone: stages of a network with their channels.
BACKBONE = Kind(
    "backbone",
    "fprnet.models.backbones:BACKBONES",
    ("input_channels",),
    parts=("input_channels", "stage_channels", "stage_ends", "stages"),
    described="fprnet.models.backbones.Backbone",
)
# A fprnet.methods.network.Head: pooled maps to training outputs and to test embeddings.
HEAD = Kind(
    "head",
    "fprnet.methods:HEADS",
    ("channels", "level_channels", "identities"),
    parts=("main_features", "stripes_of", "embedding_size", "pool_main", "embed"),
    described="fprnet.models.reidentifier.Head",
)
# A module that sees the heads' outputs in training and adds outputs (a discriminator).
AUXILIARY = Kind("auxiliary", "fprnet.methods:AUXILIARIES", ("features",))
# A fprnet.methods.network.Network: images to training outputs and to test embeddings.
NETWORK = Kind(
    "network",
    "fprnet.methods:NETWORKS",
    ("identities",),
    parts=("embedding_size", "embed"),
    described="fprnet.methods.network.Network",
)
# A fprnet.losses.terms.Objective: outputs by head to the loss of a batch.
LOSS = Kind("loss", "fprnet.methods:LOSSES", called_with=("outputs",))
# A function of one fprnet.models.heads.HeadOutput that returns a scalar.
RANKING_LOSS = Kind("ranking loss", "fprnet.losses:RANKING_LOSSES", called_with=("output",))
# A fprnet.data.batches.Sampler: the images of every step.
SAMPLER = Kind(
    "sampler",
    "fprnet.data.batches:SAMPLERS",
    ("visible", "infrared", "seed"),
    parts=("identity", "left_out", "steps_per_epoch", "images_per_modality", "batch"),
    described="fprnet.data.batches.Sampler",
)
# A function of (images (N, 3, H, W) float, modality, torch.Generator) that returns such images.
AUGMENTATION_STEP = Kind(
    "augmentation step",
    "fprnet.data.augmentation_steps:AUGMENTATION_STEPS",
    called_with=("images", "modality", "generator"),
)
# A function of (visible, infrared, torch.Generator) that returns both modalities' images.
AUGMENTATION_PAIR_STEP = Kind(
    "augmentation pair step",
    "fprnet.data.augmentation_pairs:AUGMENTATION_PAIR_STEPS",
    called_with=("visible", "infrared", "generator"),
)
# A torch.optim.Optimizer for parameter groups {"params": [...], "name": "head"}.
OPTIMIZER = Kind("optimizer", "fprnet.training.optimizer:OPTIMIZERS", ("groups",))
# A function of the optimiser step, counted from 0, that returns the share of the learning rate.
SCHEDULE = Kind("schedule", "fprnet.training.schedule:SCHEDULES", ("steps_per_epoch", "epochs"))
# A fprnet.methods.callbacks.Callback: what else happens at the beginning and end of epochs.
CALLBACK = Kind(
    "callback",
    "fprnet.methods:CALLBACKS",
    ("model",),
    parts=("begin_epoch", "set_modes", "begin_step", "after_backward", "after_step", "record"),
    described="fprnet.methods.callbacks.Callback",
)
# A fprnet.data.reader.Reader: folders and lists of a layout to records, a split and a protocol.
READER = Kind("layout", "fprnet.data.readers:READERS")
# A function of fprnet.evaluation.ranking_metrics.QueryScores that returns a value per query.
METRIC = Kind("metric", "fprnet.evaluation.metrics:METRICS", ("ranked",))

# A fprnet.embeddings.backend.Backend: what computes a network's embeddings.
RUNTIME = Kind("runtime", "fprnet.embeddings.runtimes:RUNTIMES", ("model", "size", "precision"))
# A fprnet.watch.detections.Detector: frames of a video to boxes around people.
DETECTOR = Kind("detector", "fprnet.watch.detectors:DETECTORS")

KINDS = {
    kind.noun: kind
    for kind in (
        *(BACKBONE, HEAD, AUXILIARY, NETWORK, LOSS, RANKING_LOSS, SAMPLER, AUGMENTATION_STEP),
        *(AUGMENTATION_PAIR_STEP, OPTIMIZER, SCHEDULE, CALLBACK, READER, METRIC, RUNTIME, DETECTOR),
    )
}
"""All kinds by name, as ``fprnet components`` lists them."""
