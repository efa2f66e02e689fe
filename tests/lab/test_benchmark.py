"""``fprnet benchmark`` and the scripts beside it: small sizes, both sides equal."""

import dataclasses
import json
import runpy
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from fprnet.data.protocols.sysu_mm01 import sysu_mm01_protocol
from fprnet_lab.benchmarking import embedding, gallery, seeded
from fprnet_lab.benchmarking.embedding_sides import released_model, seeded_people
from fprnet_lab.benchmarking.gallery import in_turns
from fprnet_lab.benchmarking.measurement import Measurement
from fprnet_lab.benchmarking.registry import BENCHMARKS
from fprnet_lab.benchmarking.reranking import measure_memory
from fprnet_lab.benchmarking.script import print_result
from fprnet_lab.benchmarking.seeded import official_sized_split, random_features
from fprnet_lab.benchmarking.service import KNOWN, SHOWN, searches
from fprnet_lab.cli.benchmark import NAMES

ROOT = Path(__file__).parents[2]


def test_split_has_the_official_size():
    split = official_sized_split()
    features = random_features(split, 2, seed=0)
    trials = sysu_mm01_protocol(features, split).trials
    assert [(len(trial.query), len(trial.gallery)) for trial in trials] == [(3803, 301)] * 10
    cameras, counts = np.unique(features.camera[trials[0].query], return_counts=True)
    assert (cameras.tolist(), counts.tolist()) == ([3, 6], [1883, 1920])


def test_small_benchmark_of_everything(fprnet, monkeypatch):
    monkeypatch.setattr(seeded, "CAMERAS", {c: (1, 24, 40 + c) for c in range(1, 7)})
    words = ("--dimensions", 4, "--trials", 1, "--repeats", 1)
    result = fprnet("benchmark", "evaluation", "reranking", *words, "--json")
    assert result.status == 0, result.err
    measured = json.loads(result.out)
    assert list(measured) == ["evaluation", "reranking"]
    for part in measured.values():
        assert part["ratio"] > 0
        assert part["max_difference"] < 1e-5
    table = fprnet("benchmark", "reranking", *words)
    assert table.out.startswith("reranking")
    assert table.out.count("\n") == 1


def test_works_are_timed_in_turns():
    done = []
    slow, quick = in_turns(
        lambda n: (done.append(("slow", n)), time.sleep(0.005)),
        lambda n: done.append(("quick", n)),
        [1, 2],
    )
    warm = [("slow", 1), ("quick", 1)]
    assert done == [*warm, ("slow", 1), ("quick", 1), ("slow", 2), ("quick", 2)]
    assert len(slow) == len(quick) == 2
    assert min(slow) >= 5  # milliseconds


def test_small_search_benchmark(fprnet):
    words = ("--records", 600, "--width", 8, "--size", "64x32", "--images", 4, "--json")
    result = fprnet("benchmark", "search", *words)
    assert result.status == 0, result.err
    measured = json.loads(result.out)["search"]
    assert (measured["records"], measured["index"]) == (600, "FLAT")
    # Exact search finds what NumPy finds.
    assert measured["recall_at_10"] == 1
    assert measured["max_difference"] == 0
    assert 0 < measured["p50_ms"] <= measured["p95_ms"]
    assert measured["images_added_per_second"] > 0


def test_unknown_benchmark(fprnet):
    result = fprnet("benchmark", "speed")
    assert result.status == 2
    assert f"'speed' is unknown; choose one of {', '.join(BENCHMARKS)}" in result.complaint


def test_help_names_what_the_registry_has():
    assert set(NAMES) == set(BENCHMARKS)


def test_a_difference_is_an_exit_status(fprnet, monkeypatch):
    for difference in (0.2, float("nan")):
        wrong = Measurement(2.0, difference, tolerance=0.1, speeds="1 s against 2 s")
        monkeypatch.setitem(BENCHMARKS, "evaluation", lambda sizes, wrong=wrong: wrong)
        result = fprnet("benchmark", "evaluation")
        assert result.status == 1
        assert f"the two sides differ by {difference}" in result.err


def test_memory_is_measured_in_a_process_of_its_own():
    measured = measure_memory(queries=20, gallery=200, dimensions=4)
    assert 0 < measured["gib_before"] <= measured["peak_gib"] < 8


@pytest.mark.parametrize(
    ("script", "option"),
    [
        ("cache_and_augmentation", "--images"),
        ("evaluation", "--split"),
        ("gallery", "--graph-last"),
        ("generator", "--identities"),
        ("ladder", "--against"),
        ("pyramid", "--precision"),
        ("reranking", "--memory-gallery"),
        ("service", "--clients"),
    ],
)
def test_scripts_say_how_they_are_used(script, option, monkeypatch, capsys):
    module = runpy.run_path(str(ROOT / "benchmarks" / f"{script}.py"))
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    with pytest.raises(SystemExit) as ended:
        module["main"]()
    assert ended.value.code == 0
    assert option in capsys.readouterr().out


def test_a_small_gallery_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "DURABLE", 20)
    speed = gallery.measure_gallery(str(tmp_path / "people.db"), 300, 8)
    assert speed.recall == {"all": 1.0, "half": 1.0, "hundredth": 1.0}
    assert speed.graph_seconds is None


def test_the_ladder_compares_seeds_in_pairs():
    ladder = runpy.run_path(str(ROOT / "benchmarks" / "ladder.py"))
    measured = ladder["Measured"]

    def runs(*scores):
        return [measured(0, 0, 0, 0, 0, {"C": (c, 1.0), "D": (d, 2.0)}) for c, d in scores]

    results = {"plain": runs((10, 12), (11, 13), (9, 11)), "GeM": runs((12, 14), (12, 16), (9, 13))}
    lines = ladder["report"](results, ["C", "D"], "plain").splitlines()
    assert lines[2].split(" | ") == [
        *("| plain", "10.0 ± 1.0 / 1.0 ± 0.0", "12.0 ± 1.0 / 2.0 ± 0.0", "11.0 ± 1.0", " |"),
    ]
    # Differences of the means: 2, 2, 1; Student's t of two degrees of freedom is 4.3027.
    mean, half = 5 / 3, 4.3027 * 3**-0.5 * 3**-0.5
    assert lines[3].endswith(f"| {mean:+.1f} [{mean - half:+.1f}, {mean + half:+.1f}] |")


def test_scripts_print_a_result_and_fail_where_the_sides_differ(capsys):
    print_result({"ratio": 2.0, "max_difference": 0.1}, 0.1)
    assert json.loads(capsys.readouterr().out) == {"ratio": 2.0, "max_difference": 0.1}
    for difference in (0.2, float("nan")):
        with pytest.raises(SystemExit, match="the two sides differ"):
            print_result({"max_difference": difference}, 0.1)


def test_small_benchmark_of_training(fprnet):
    words = ("--size", "64x32", "--width", 4, "--images", 4, "--repeats", 1)
    result = fprnet("benchmark", "training", *words, "--precision", "bfloat16", "--json")
    assert result.status == 0, result.err
    (measured,) = json.loads(result.out).values()
    assert measured["ratio"] == pytest.approx(
        measured["images_per_second"] / measured["plain_images_per_second"]
    )
    assert 0 <= measured["max_difference"] < 1e-3
    assert 0 < measured["loss_difference_of_precision"] < 0.05
    assert measured["share_of_limit"] > 0
    assert measured["tiny_share_of_bare"] > 0
    assert measured["precision"] == "bfloat16"
    assert 0.1 < sum(measured["profile"].values()) <= 1


def test_the_limit_is_told_beside_our_share_of_it():
    plain = Measurement(ratio=4.0, max_difference=0.0, tolerance=0.0, speeds="8 against 2")
    assert "rate" not in plain.sentence()
    limited = dataclasses.replace(
        plain, share_of_limit=0.604, limit="float32 matrix rate, 145 GFLOP/s"
    )
    assert (
        "8 against 2, 60 % of this machine's float32 matrix rate, 145 GFLOP/s" in limited.sentence()
    )


@pytest.mark.slow
def test_small_benchmark_of_embedding(fprnet, monkeypatch):
    words = ("--size", "64x32", "--width", 8, "--images", 8, "--repeats", 1)
    kept = {}

    def measure_once(sizes):
        if "result" not in kept:
            kept["result"] = embedding.measure(sizes)
        return kept["result"]

    monkeypatch.setitem(BENCHMARKS, "embedding", measure_once)
    result = fprnet("benchmark", "embedding", *words, "--precision", "float32", "--json")
    assert result.status == 0, result.err
    (measured,) = json.loads(result.out).values()
    assert measured["images"] == 16
    assert measured["ratio"] == pytest.approx(
        measured["images_per_second"] / measured["plain_images_per_second"]
    )
    # float32 differs by rounding only, bfloat16 by more than that; all are still one network.
    assert abs(measured["max_difference"]) < 1e-5
    assert measured["scores"]["mAP"] == pytest.approx(measured["plain_scores"]["mAP"], abs=0.002)
    assert 0.3 < measured["scores"]["mAP"] <= 1
    assert kept["result"].further["mAP"][1] == 1 / 16  # one of so few queries may move
    assert {"pytorch-float32", "openvino-float32"} <= set(measured["cosines"])
    for name, cosine in measured["cosines"].items():
        assert cosine > (0.99999 if name.endswith("float32") else 0.998)
        assert measured["speeds"][name] > 0
        assert measured["gflop_per_second"][name] > 0
    assert measured["default"] in measured["speeds"]
    assert measured["precision"] == "float32"
    assert 0 < measured["share_of_limit"] < 1
    table = fprnet("benchmark", "embedding").out.splitlines()
    assert [line.split()[0] for line in table[:3]] == ["embedding", "images/s", "plain"]
    assert len(table) == 3 + len(measured["cosines"])


def test_operations_of_an_embedding_are_those_of_its_convolutions():
    """A 7x7 and 52 other convolutions of a ResNet-50 on 64 x 64 pixels, and a linear layer."""
    size, width = (64, 64), 8
    images, identity = seeded_people(8, size)
    assert identity.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert (images["infrared"] == images["infrared"][..., :1]).all()
    model = released_model(images, width, torch.device("cpu"))
    total, inputs, side = 32 * 32 * 49 * 3 * width, width, 16
    for stage, blocks in enumerate((3, 4, 6, 3)):
        planes = width * 2**stage
        for block in range(blocks):
            before = side
            side = side // 2 if stage and not block else side
            total += before**2 * inputs * planes + side**2 * (9 * planes**2 + 4 * planes**2)
            total += side**2 * inputs * 4 * planes * (not block)
            inputs = 4 * planes
    total += 32 * width * 512
    assert embedding.operations_per_image(model, size) == 2 * total


def test_scores_that_differ_are_an_exit_status(fprnet, monkeypatch):
    wrong = Measurement(2.0, 0.0, tolerance=0.1, speeds="", further={"mAP": (0.003, 0.002)})
    monkeypatch.setitem(BENCHMARKS, "embedding", lambda sizes: wrong)
    result = fprnet("benchmark", "embedding")
    assert result.status == 1
    assert "embedding: the two sides differ by 0.003 in mAP" in result.err


def test_networks_on_a_gpu_that_is_not_there(fprnet):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    for name in ("training", "embedding"):
        result = fprnet("benchmark", name, "--device", "cuda")
        assert result.status == 2
        assert "torch finds no GPU; use --device cpu" in result.complaint


def test_small_benchmark_of_the_service(monkeypatch, capsys):
    script = runpy.run_path(str(ROOT / "benchmarks" / "service.py"))
    words = "--scale tiny --records 200 --clients 4 --seconds 2 --images 40 --threads 1"
    monkeypatch.setattr(sys, "argv", ["service", *words.split()])
    script["main"]()
    measured = json.loads(capsys.readouterr().out)
    assert (measured["records"], measured["clients"]) == (200 + KNOWN, 4)
    assert (measured["errors"], measured["complaints"], measured["exit_status"]) == (0, [], 0)
    assert measured["requests"] >= 4
    assert measured["requests_per_second"] == measured["requests"] / measured["seconds"]
    assert 0 < measured["alone_p50_ms"] <= measured["alone_p95_ms"]
    assert 0 < measured["p50_ms"] <= measured["p95_ms"]
    assert 1 <= measured["images_per_batch"] <= 4
    assert 0 < sum(measured["stages_ms"].values()) < 1000 * measured["seconds"]
    assert measured["images_added_per_second"] > 0


def test_errors_of_the_service_are_an_exit_status(monkeypatch, capsys):
    tally = searches("127.0.0.1:1", [b"x"], clients=2, enough=lambda count, _: count >= 3)
    assert (tally.errors, len(tally.seconds), len(tally.complaints)) == (6, 6, SHOWN)
    assert tally.complaints[0].startswith("no answer: ConnectionRefusedError")
    script = runpy.run_path(str(ROOT / "benchmarks" / "service.py"))
    monkeypatch.setitem(script["main"].__globals__, "measure_service", lambda load: {"errors": 6})
    monkeypatch.setattr(sys, "argv", ["service"])
    with pytest.raises(SystemExit, match="6 errors"):
        script["main"]()
