"""A recipe and its scores become the model card, Markdown in the form of the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fprnet.runs.model_card import front_matter
from fprnet_lab.box_model.recipe import Recipe
from fprnet_lab.people import VERSIONS

__all__ = ["card_of"]


def card_of(recipe: Recipe, scores: Mapping[str, Any], config: str) -> str:
    """Return the card of a model.

    Args:
        recipe: What was made.
        scores: What `fprnet_lab.box_model.making` writes into ``scores.json``.
        config: Config of the run, YAML.
    """
    training = scores["training"]
    height, width = recipe.run.data.height, recipe.run.data.width
    first, last = recipe.people.worlds
    return "\n".join(
        [
            front_matter(("synthetic-data",), licence="apache-2.0"),
            f"# {recipe.name}",
            "",
            recipe.summary,
            "",
            "## What it is for",
            "",
            "Finding the same person in crops from colour cameras by day and near-infrared cameras",
            "by night, as a first ranking that a person looks through. It needs no training, no",
            "labels and no real images to begin with; on the cameras of a site it is worth as much",
            "as measured there, so measure before you rely on it, and adapt it if you can.",
            "",
            "It is **not** for decisions about people without a human who looks at the images, not",
            "for recognising somebody after a change of clothes, and not for faces.",
            "",
            "```python",
            "import fprnet",
            "",
            "model = fprnet.load_model()  # this model",
            'embeddings = model.embed(["night/0001.jpg"], modality="infrared")',
            "```",
            "",
            "## What it saw",
            "",
            f"- {recipe.people.identities} people who do not exist, in {training['images']} crops, "
            f"rendered by `fprnet_lab.people` (generator version {training['generator_version']}): "
            f"seed {recipe.people.seed}, worlds {first} to {last}, four colour and two "
            "near-infrared cameras in each.",
            "- Bodies are those of MakeHuman (CC0); clothes, materials, light, cameras and places",
            "  are drawn by chance. The crops carry no licence and show nobody.",
            *_earlier(recipe),
            *_other_version(training["generator_version"]),
            "",
            "## What it never saw",
            "",
            "A real person, a real camera, a real place; children, wheelchairs, uniforms,",
            "religious dress, crowds in front of somebody, rain, far infrared (thermal) cameras,",
            "crops in which little of the body is seen.",
            "",
            "## Scores on rendered sites",
            "",
            "Worlds that were not in the training: other cameras, places, season and people.",
            "Protocol of SYSU-MM01, all-search, single-shot, ten galleries; percent.",
            "",
            *_sites(scores["sites"]),
            "",
            "TPIR is the share of searches for people who are in the gallery that find them first,",
            "where of the searches for people who are not, the named share (FPIR) is answered.",
            "",
            "**Scores on real images are not given**: none were at hand. Whoever measures them",
            "writes them here, with the data set and the protocol.",
            "",
            "## Calibration and threshold",
            "",
            *_calibration(scores["calibration"], training["gallery_size"]),
            "",
            "## For whom it does worse",
            "",
            "Queries of each group against galleries of everybody, all sites together; percent.",
            "Groups are small and their intervals wide; a group of rendered people is not the",
            "group of real people of the same name.",
            "",
            *_groups(scores["groups"]),
            "",
            "## How it was made",
            "",
            f"`fprnet lab train-box-model OUT --recipe {recipe.name}` makes it from seeds:",
            f"ResNet trunk and heads of preset `{recipe.run.preset}`, "
            f"{training['parameters'] / 1e6:.2f} million parameters without classifiers, input "
            f"{height}x{width}, embedding of {training['embedding_size']} numbers, "
            f"{training['steps']} steps in {training['epochs']} epochs, "
            f"{training['hours']:.2f} hours on {training['machine']}.",
            f"Versions: {_versions(training['versions'])}.",
            f"Weights: {training['weights_bytes'] / 1e6:.1f} MB, matrices float16, SHA-256",
            f"`{training['weights_sha256']}`.",
            "",
            "```yaml",
            config.strip(),
            "```",
            "",
        ]
    )


def _earlier(recipe: Recipe) -> list[str]:
    """Say whom the models that the training started from saw."""
    lines, whose = [], "Its"
    while (first := recipe.earlier) is not None:
        low, high = first.people.worlds
        part = "backbone" if recipe.start_from is None else "network"
        saw = (
            "the same people."
            if first.people == recipe.people
            else f"{first.people.identities} others: seed {first.people.seed}, worlds {low} to "
            f"{high}, generator version {first.people.generator_version}."
        )
        lines.append(f"- {whose} {part} began as that of {first.name}, which saw {saw}")
        recipe, whose = first, "That one's"
    return lines


def _other_version(version: int) -> list[str]:
    """Say where the present generator cannot draw the pictures any more."""
    if version in VERSIONS:
        return []
    return [
        f"- The present generator cannot draw the pictures of version {version}, so the command",
        "  below makes a sibling of this model, not its equal.",
    ]


def _sites(sites: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [
        "| world | people | rank-1 | rank-10 | mAP | mINP | TPIR at FPIR 10 % |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for site in sites:
        metrics = site["metrics"]
        cells = [_percent(metrics[name]) for name in ("rank-1", "rank-10", "mAP", "mINP")]
        found = _percent(site["open_set"].get("FPIR 0.1", {}).get("TPIR", {}).get("mean"))
        lines.append(f"| {site['world']} | {site['people']} | {' | '.join(cells)} | {found} |")
    return lines


def _calibration(measured: Mapping[str, Any], kept: int) -> list[str]:
    error = measured["expected_calibration_error"]
    shown = "not measured" if error is None else f"{100 * error:.2f} percent"
    return [
        f"`model.calibration.json` beside the weights ({measured['method']}) was fitted on "
        f"{measured['people']} rendered people of world {measured['world']}; expected calibration "
        f"error on people left out: {shown}.",
        f"Galleries hold {kept} numbers per image, by the projection beside it; the scores above "
        "are of these.",
        "Similarities of other cameras lie elsewhere: until the model is calibrated or adapted on",
        "the site (`fprnet calibrate`), its probabilities and thresholds are worth little there.",
    ]


def _groups(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = ["| | group | people | rank-1 | mAP |", "|---|---|---:|---:|---:|"]
    lines += [
        f"| {group['kind']} | {group['group']} | {group['people']} | {_percent(group['rank_1'])} "
        f"| {_percent(group['mean_average_precision'])} |"
        for group in groups
    ]
    return lines


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())
