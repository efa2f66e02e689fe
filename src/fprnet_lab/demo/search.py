"""The last stages of the demo: similarities are calibrated, a gallery is searched once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from fprnet.data.data_set import DataSet
from fprnet.data.images import read_image
from fprnet.embeddings.embedder import Embedder
from fprnet.embeddings.projection import projection_path, write_projection
from fprnet.embeddings.store import Features
from fprnet.evaluation.data_set_protocol import make_protocol
from fprnet.gallery.adding import add_images
from fprnet.gallery.answers import Answer
from fprnet.gallery.calibrated_model import calibrate_model
from fprnet.gallery.calibrating import Measured
from fprnet.gallery.calibration import Calibration, calibration_path, write_calibration
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.pictures import below, draw_answer, draw_explanations
from fprnet.gallery.records import Filters, ModelIdentity
from fprnet.gallery.searcher import Searcher
from fprnet.gallery.sources import of_records, only
from fprnet_lab.demo.plan import SEED, Plan
from fprnet_lab.reporting.ranked_gallery import draw_queries

__all__ = ["Found", "calibrate_demo", "fill_and_search"]

TOP = 10
EXPLAINED = 3  # first matches


@dataclass(frozen=True)
class Found:
    """What one search of the demo's gallery gave.

    Attributes:
        query: Image that was asked for.
        identity: Whom it shows.
        answer: The matches.
        picture: Picture of the query, the matches, and why the first ones are alike.
        measured: Method -> how good its probabilities are, on validation people.
    """

    query: Path
    identity: int
    answer: Answer
    picture: Image.Image
    measured: Mapping[str, Measured]

    @property
    def sentence(self) -> str:
        """What was found, for the terminal."""
        first = self.answer.matches[0]
        same = first.identity == str(self.identity)
        who = "the same person" if same else "somebody else"
        return (
            f"one search among {self.answer.candidates} images: {self.answer.verdict}; "
            f"the first match is {who}, similarity {first.similarity:.3f}, "
            f"probability {first.probability:.2f}"
        )


def calibrate_demo(
    plan: Plan, embedder: Embedder, data_set: DataSet
) -> tuple[Embedder, Calibration, dict[str, Measured]]:
    """Calibrate fprnet on the validation people, beside its checkpoint, as ``fprnet calibrate``.

    Returns:
        The model with the embeddings that galleries hold, its calibration, and how good it is.
    """
    outcome = calibrate_model(embedder, data_set, data_set.validation)
    checkpoint = plan.trainings["fprnet"].best
    write_calibration(calibration_path(checkpoint), outcome.calibration)
    if outcome.projection is not None:
        write_projection(projection_path(checkpoint), outcome.projection)
        embedder = embedder.compact(outcome.projection)
    return embedder, outcome.calibration, dict(outcome.measured)


def fill_and_search(
    plan: Plan,
    embedder: Embedder,
    data_set: DataSet,
    features: Features,
    calibration: Calibration,
    measured: Mapping[str, Measured],
) -> Found:
    """Add the visible test images to a gallery, and search it for one infrared query.

    Args:
        plan: Plan of the demo.
        embedder: fprnet, trained.
        data_set: Whose test people are searched.
        features: Features of the test images; says which queries there are.
        calibration: Calibration of the model.
        measured: Quality of the calibration, as measured.
    """
    records = data_set.records()
    path = str(plan.trainings["fprnet"].out.resolve())
    model = ModelIdentity.of(embedder, path)
    projection = embedder.projection if model.projection_sha256 else None
    uri = plan.gallery(model.projection_sha256 or model.checkpoint_sha256)
    opened = (
        Gallery.open(str(uri), writable=True)
        if uri.exists()
        else Gallery.create(str(uri), model, projection=projection)
    )
    with opened as gallery:
        add_images(gallery, embedder, only(of_records(records.of(data_set.test)), "visible"))
        protocol = make_protocol(features, data_set)
        generator = np.random.default_rng(SEED)
        (row,) = draw_queries(features, protocol.trials[0].query, 1, generator)
        query = plan.data / str(features.path[row])
        place = {file: number for number, file in enumerate(records.files())}[query]
        searcher = Searcher(embedder, gallery, calibration)
        answer = searcher.search(
            [query],
            filters=Filters(exclude_location=str(records.location[place])),
            top=TOP,
        )
        shown = [Image.fromarray(read_image(Path(match.path))) for match in answer.matches]
        image = Image.fromarray(read_image(query))
        explained = [
            (searcher.explain(query, Path(match.path)), image, picture)
            for match, picture in zip(answer.matches[:EXPLAINED], shown[:EXPLAINED], strict=True)
        ]
    picture = below(draw_answer(answer, [image], shown), draw_explanations(explained))
    return Found(query, int(features.identity[row]), answer, picture, measured)
