"""A ladder of rungs at the tiny scale, one change each, judged on people of another world: a table.

    python benchmarks/ladder.py --data TRAIN --choose CHOOSE --warm-start WEIGHTS --out RUNS

Every rung is trained on TRAIN without validation, and its last epoch is scored on the validation
people of CHOOSE, a set of another world that nothing is tested on. Rung "plain" is trained with
--seeds seeds, the others with the first alone, or as many with --all-seeds. Each run is a folder
under --out; finished ones are kept, so the command can be repeated and enlarged. --others are
folders of finished runs that are scored alike, in lines of their own. Printed are mAP and rank-1,
percent (mean ± standard deviation over the seeds), the mAP's difference to the rung below, its mAP
after re-ranking, and the main head's accuracy on its last epoch of training. Words after -- change
the config of every run.

When the choice is made, --report names sets of further worlds: their test people are scored, and
the mAP of all those worlds together is compared with that of rung --against, seed by seed; the
interval holds the mean difference with 95 % probability if such differences are normal.
"""

from __future__ import annotations

import argparse
import shlex
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from scipy import stats

import fprnet
from fprnet.data.data_set import DataSet, open_data_set
from fprnet.data.protocols.protocol import Protocol
from fprnet.embeddings.from_disk import extract_data_set
from fprnet.embeddings.store import Features
from fprnet.evaluation.data_set_protocol import make_protocol
from fprnet.evaluation.reranking import Reranking
from fprnet.evaluation.scores import score
from fprnet_lab.jobs import Training, read_history, run_jobs


@dataclass(frozen=True)
class Rung:
    """What is changed, and from where.

    Attributes:
        words: Options of ``fprnet train``, after those of the rungs below.
        below: Name of the rung that it stands on, or of a preset.
    """

    words: str
    below: str = "plain"


PLAIN = "--model.separate_stages 5 --loss.label_smoothing 0.1 --optimizer.learning_rate 0.1"
TRIPLET = "weighted-regularised-triplet"
LEVELS = (
    "--model.pyramid.order linear --model.pyramid.channels 64 "
    "--model.head.stripes '{5: 1, 4: 2, 3: 6}'"
)
SVD_ROUNDS = (
    "--callbacks.restraint.base_epochs 2 --callbacks.restraint.restraint_epochs 1 "
    "--callbacks.restraint.relaxation_epochs 1"
)
FUSION = (  # the blocks of the paper's best row, all of which learn
    "--model.pyramid.order released --model.head.fusion 'r5 i5 i4 r4 r5 i5 i2 r2' --loss.game sum"
)
BESIDE_TRIPLET = (  # of the default preset, another ranking loss
    f"--loss.ranking '{{class_path: sum, init_args: {{losses: {{{TRIPLET}: {{}}, %s: {{}}}}}}}}'"
)
RUNGS = {
    "plain": Rung(PLAIN, "one-stream"),
    "no label smoothing": Rung("--loss.label_smoothing 0"),
    "one network": Rung("--model.separate_stages 0"),
    "one network, two norms": Rung("--model.separate_norms true", "one network"),
    "random erasing": Rung("--augmentation.erasing 0.5"),
    "channel exchange": Rung("--augmentation.channel_exchange 0.5"),
    "linear enhancement": Rung("--augmentation.linear_enhancement 0.5"),
    "amplitude swap": Rung("--augmentation.pair_steps '{amplitude-swap: {size: 0.03}}'"),
    "amplitude discrepancy": Rung("--loss.ranking amplitude-discrepancy"),
    "amplitude discrepancy, stage 3": Rung("--loss.ranking.stage 3", "amplitude discrepancy"),
    "modality discrepancy": Rung("--loss.ranking modality-discrepancy"),
    "modality distillation": Rung("--loss.ranking modality-distillation"),
    "GeM": Rung("--model.head.pooling gem"),
    "levels and stripes": Rung(LEVELS),
    "two images of each": Rung("--batches.identities 16 --batches.images 2"),
    "weighted triplet": Rung(f"--loss.ranking {TRIPLET}", "two images of each"),
    "squared gap": Rung("--loss.ranking.squared true", "weighted triplet"),
    "circle loss": Rung("--loss.ranking circle", "two images of each"),
    "SVD layer": Rung(f"--model.head.main_layer eigenlayer --model.head.neck none {SVD_ROUNDS}"),
    "main block": Rung("", "resnet50"),
    "fused rows": Rung(FUSION, "main block"),
    "fused rows drawn anew": Rung("--model.head.fusion_redrawn true", "fused rows"),
    "hybrid tie": Rung("--model.head.fusion 'r5 r2 / i2 i5'", "fused rows"),
    "game": Rung("--loss.game rate", "fused rows"),
    "minimax game": Rung("--loss.game max", "fused rows"),
    "all of one-stream": Rung("", "one-stream"),
    "all of two-stream": Rung("", "two-stream"),
    "all of resnet50": Rung("", "resnet50"),
    "all of zero-padding": Rung("", "zero-padding"),
    "all of bctr": Rung("", "bctr"),
    "all of bdtr": Rung("", "bdtr"),
    "all of cmgan": Rung("", "cmgan"),
    "all of svdnet": Rung("", "svdnet"),
    "all of released": Rung("", "released"),
    "all of paper": Rung("", "paper"),
    "all of agw": Rung("", "agw"),
    "all of caj": Rung("", "caj"),
    "all of dns-like": Rung("", "dns-like"),
    "all of fprnet": Rung("", "fprnet"),
    "fprnet on two networks": Rung("--model.separate_stages 5", "fprnet"),
    "fprnet, two stems": Rung("--model.separate_stages 1", "fprnet"),
    "fprnet, two norms": Rung("--model.separate_norms true", "fprnet"),
    "fprnet, standardised images": Rung("--model.input standardised", "fprnet"),
    "fprnet, GeM": Rung("--model.head.pooling gem", "fprnet"),
    "fprnet, circle loss": Rung("--loss.ranking circle", "fprnet"),
    "fprnet, contrastive loss": Rung("--loss.ranking supervised-contrastive", "fprnet"),
    "fprnet, modality discrepancy": Rung(BESIDE_TRIPLET % "modality-discrepancy", "fprnet"),
    "fprnet, modality distillation": Rung(BESIDE_TRIPLET % "modality-distillation", "fprnet"),
    "fprnet, top ranking": Rung(BESIDE_TRIPLET % "cross-modality-top-ranking", "fprnet"),
}


@dataclass(frozen=True)
class Measured:
    """One run's scores on the judges, and its training accuracy; all in percent.

    ``reported`` has mAP and rank-1 of each further world, by the name of its set.
    """

    mean_average_precision: float
    rank_1: float
    reranked: float
    balanced: float
    accuracy: float
    reported: Mapping[str, tuple[float, float]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--choose", type=Path, required=True)
    parser.add_argument("--warm-start", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rungs", nargs="*", choices=RUNGS, default=list(RUNGS), metavar="NAME")
    parser.add_argument("--others", nargs="+", type=Path, default=[], metavar="RUN")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--all-seeds", action="store_true", help="for every rung")
    parser.add_argument("--report", nargs="+", type=Path, default=[], metavar="ROOT")
    parser.add_argument("--against", choices=RUNGS, metavar="NAME", help="one of the rungs")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("overrides", nargs="*", help="words of fprnet train, after --")
    args = parser.parse_args()
    if args.against is not None and (args.against not in args.rungs or not args.report):
        parser.error("--against names one of --rungs, and needs --report")
    runs = {
        name: [
            _training(name, seed, args)
            for seed in range(args.seeds if name == "plain" or args.all_seeds else 1)
        ]
        for name in args.rungs
    }
    args.out.mkdir(parents=True, exist_ok=True)
    jobs = [run.job() for of_rung in runs.values() for run in of_rung]
    run_jobs(jobs, description="trainings", workers=args.workers)
    torch.set_num_threads(1)
    judges = open_data_set(args.choose, needed=("validation",))
    folders = {name: [run.out for run in of_rung] for name, of_rung in runs.items()}
    folders |= {folder.name: [folder] for folder in args.others}
    further = {root.name: open_data_set(root, needed=("test",)) for root in args.report}
    results = {
        name: [measured(run, judges, further) for run in some] for name, some in folders.items()
    }
    print(table(results))
    if further:
        print()
        print(report(results, list(further), args.against))


def preset_and_words(name: str) -> tuple[str, list[str]]:
    """Return the preset that a rung stands on in the end, and all changes on the way up."""
    rung = RUNGS[name]
    words = shlex.split(rung.words)
    if rung.below not in RUNGS:
        return rung.below, words
    preset, below = preset_and_words(rung.below)
    return preset, below + words


def _training(name: str, seed: int, args: argparse.Namespace) -> Training:
    preset, words = preset_and_words(name)
    common = ("--training.validate_every", "0", "--training.selection", "last")
    overrides = ("--model.weights", str(args.warm_start), *common, *words, *args.overrides)
    folder = args.out / f"{name.replace(',', '').replace(' ', '-')}-{seed}"
    return Training(preset, args.data, folder, "tiny", overrides, seed)


def measured(run: Path, judges: DataSet, further: Mapping[str, DataSet]) -> Measured:
    """Score the last epoch of a run folder on the people of other sets."""
    model = fprnet.load_model(run / "checkpoints" / "last.pt")
    features, protocol = _asked(model, judges, judges.validation)

    def percent(row: str, metric: str, rerank: Reranking | None = None) -> float:
        scores = score(features, protocol, metrics=[metric], rerank=rerank)
        return 100 * scores.rows[row].metrics[metric].mean

    return Measured(
        mean_average_precision=percent("plain", "mAP"),
        rank_1=percent("plain", "rank-1"),
        reranked=percent("rerank", "mAP", Reranking()),
        balanced=percent("rerank-balanced", "mAP", Reranking(balanced=True)),
        accuracy=100 * read_history(run)[-1]["losses"]["accuracy_main"],
        reported={name: _official(model, one) for name, one in further.items()},
    )


def _official(model: fprnet.Embedder, data_set: DataSet) -> tuple[float, float]:
    """Return mAP and rank-1 of a set's test people."""
    features, protocol = _asked(model, data_set, data_set.test)
    found = score(features, protocol, metrics=["mAP", "rank-1"]).rows["plain"].metrics
    return 100 * found["mAP"].mean, 100 * found["rank-1"].mean


def _asked(
    model: fprnet.Embedder, data_set: DataSet, people: tuple[int, ...]
) -> tuple[Features, Protocol]:
    features = extract_data_set(model, data_set.records(), identities=people)
    return features, make_protocol(features, data_set, identities=people)


def table(results: Mapping[str, Sequence[Measured]]) -> str:
    """Return a Markdown table with a line for each rung."""
    head = (
        *("rung", "on", "mAP", "difference", "rank-1", "re-ranked", "balanced"),
        "training accuracy",
    )
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    means = {
        name: statistics.mean(one.mean_average_precision for one in runs)
        for name, runs in results.items()
    }
    for name, runs in results.items():
        below = RUNGS[name].below if name in RUNGS else ""
        cells = (
            name,
            below,
            _spread([one.mean_average_precision for one in runs]),
            f"{means[name] - means[below]:+.1f}" if below in means else "",
            _spread([one.rank_1 for one in runs]),
            _spread([one.reranked for one in runs]),
            _spread([one.balanced for one in runs]),
            f"{statistics.mean(one.accuracy for one in runs):.0f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def report(
    results: Mapping[str, Sequence[Measured]], worlds: Sequence[str], against: str | None
) -> str:
    """Return a Markdown table of the further worlds, and differences to one rung.

    Seeds are counted from 0, so a rung with fewer of them is compared on those it has; runs of
    --others have no number and are compared with nothing.
    """
    head = ["rung", *worlds, "mean mAP", *([f"against {against}"] if against else [])]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    means = {
        name: [statistics.mean(mean for mean, _ in run.reported.values()) for run in runs]
        for name, runs in results.items()
    }
    for name, runs in results.items():
        cells = [name]
        for world in worlds:
            both = [[run.reported[world][place] for run in runs] for place in (0, 1)]
            cells.append(" / ".join(map(_spread, both)))
        cells.append(_spread(means[name]))
        if against:
            compared = name in RUNGS and name != against
            both_have = min(len(means[name]), len(means[against]))
            differences = [means[name][seed] - means[against][seed] for seed in range(both_have)]
            cells.append(_paired(differences) if compared else "")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _paired(differences: Sequence[float]) -> str:
    """Return a mean difference and its interval of 95 %, by Student's t."""
    mean = statistics.mean(differences)
    if len(differences) == 1:
        return f"{mean:+.1f}"
    error = statistics.stdev(differences) / len(differences) ** 0.5
    half = float(stats.t.ppf(0.975, len(differences) - 1)) * error
    return f"{mean:+.1f} [{mean - half:+.1f}, {mean + half:+.1f}]"


def _spread(values: Sequence[float]) -> str:
    mean = f"{statistics.mean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.1f}"


if __name__ == "__main__":
    main()
