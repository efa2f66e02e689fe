"""Tables, plots, pictures of rankings and the page, each against what a reader would check."""

import base64
import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from fprnet.data.protocols.protocol import Protocol, Trial
from fprnet.data.protocols.sysu_mm01 import sysu_mm01_protocol
from fprnet.embeddings.store import Features
from fprnet.evaluation.scores import ScoreRow, Trials
from fprnet.reporting.plots import DARK, LIGHT, cmc_figure, convergence_figure, png
from fprnet_lab.reporting import ranked_gallery
from fprnet_lab.reporting.page import Command, Illustration, Report, render
from fprnet_lab.reporting.ranked_gallery import (
    Match,
    RankedQuery,
    draw_queries,
    draw_ranked_galleries,
    rank_gallery,
)
from fprnet_lab.reporting.score_table import METRICS, score_table
from sysu_cases import by_definition, evaluate, small_features, small_split


def row_of(*means: float) -> ScoreRow:
    """Scores of two trials, 0.01 above and below each mean; the curve is the means themselves."""
    pairs = [Trials((mean - 0.01, mean + 0.01)) for mean in means]
    return ScoreRow(dict(zip(METRICS, pairs, strict=True)), {}, tuple(pairs))


ROWS = {"chance": row_of(0.1, 0.2, 0.3, 0.4, 0.5, 0.6), "a <b>": row_of(*[0.905] * 6)}


def test_table_is_in_percent_and_aligned():
    # Sample standard deviation of m - 0.01 and m + 0.01: 0.01 * sqrt(2), so 1.4 percent.
    assert score_table(ROWS).splitlines() == [
        "            rank-1      rank-5     rank-10     rank-20         mAP        mINP",
        "chance  10.0 ± 1.4  20.0 ± 1.4  30.0 ± 1.4  40.0 ± 1.4  50.0 ± 1.4  60.0 ± 1.4",
        "a <b>   90.5 ± 1.4  90.5 ± 1.4  90.5 ± 1.4  90.5 ± 1.4  90.5 ± 1.4  90.5 ± 1.4",
    ]


def test_curve_of_scores_is_the_identity_level_cmc_by_definition():
    features, split = small_features(), small_split()
    protocol = sysu_mm01_protocol(features, split)
    curve = evaluate(features, split).rows["plain"].curve
    assert len(curve) == 20
    for number, trial in enumerate(protocol.trials):
        gallery = sorted(trial.gallery, key=lambda row: protocol.order[row])
        queries = [
            by_definition(
                ((features.features[gallery] - features.features[query]) ** 2).sum(axis=1),
                features.identity[query],
                features.identity[gallery],
                protocol.exclusion_group[gallery] == protocol.exclusion_group[query],
            )
            for query in trial.query
        ]
        ranks = np.array([query.identity_rank for query in queries if query is not None])
        expected = [(ranks <= rank).mean() for rank in range(1, 21)]
        assert [point.per_trial[number] for point in curve] == pytest.approx(expected)


def test_cmc_plot_shows_each_curve_in_percent_and_the_last_on_top_of_the_legend():
    figure = cmc_figure({label: row.curve for label, row in ROWS.items()})
    (axes,) = figure.axes
    assert [line.get_label() for line in axes.lines] == list(ROWS)
    assert list(axes.lines[0].get_xdata()) == [1, 2, 3, 4, 5, 6]
    assert list(axes.lines[0].get_ydata()) == pytest.approx([10, 20, 30, 40, 50, 60])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a <b>", "chance"]
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(10 - 2**0.5)
    assert band.max() == pytest.approx(60 + 2**0.5)


def history(*scores: float | None) -> list[dict]:
    """Records as in metrics.jsonl; None is an epoch that was not validated."""
    return [
        {"epoch": epoch, "losses": {"main": 5.0 - epoch, "total": 9.0}}
        | ({} if score is None else {"validation": {"mAP": score}})
        for epoch, score in enumerate(scores, start=1)
    ]


def test_convergence_plot_leaves_out_epochs_without_validation():
    figure = convergence_figure({"fprnet": history(0.1, None, 0.3)})
    scores, losses = figure.axes
    assert list(scores.lines[0].get_xdata()) == [1, 3]
    assert list(scores.lines[0].get_ydata()) == pytest.approx([10, 30])
    assert list(losses.lines[0].get_ydata()) == [4, 3, 2]


def test_a_run_keeps_the_colour_of_its_cmc_curve():
    curves = cmc_figure({label: row.curve for label, row in ROWS.items()}).axes[0].lines
    run = convergence_figure({"a <b>": history(0.1)}, first_colour=1).axes[0].lines[0]
    assert run.get_color() == curves[1].get_color()
    assert run.get_marker() == curves[1].get_marker()


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_png_has_the_background_of_its_page(theme, tmp_path):
    file = tmp_path / "plot.png"
    file.write_bytes(png(cmc_figure({"a": ROWS["chance"].curve}, theme)))
    with Image.open(file) as picture:
        corner = picture.convert("RGB").getpixel((0, 0))
    assert corner == tuple(bytes.fromhex(theme.page.removeprefix("#")))


def hand_case() -> tuple[Features, Protocol]:
    """The hand-checkable case of the protocol: distances 1..7 from a query of identity 1, camera 3.

    Gallery by distance (identity, camera): (2,2) (2,1) (3,1) (3,4) (1,4) (2,5) (1,5).
    """
    identity = np.array([1, 2, 2, 3, 3, 1, 2, 1])
    camera = np.array([3, 2, 1, 1, 4, 4, 5, 5])
    features = Features(
        features=np.array([[1, distance] for distance in range(8)], dtype=np.float32),
        identity=identity,
        camera=camera,
        modality=np.where(camera == 3, "infrared", "visible"),
        path=np.array([f"{row}.png" for row in range(8)]),
    )
    place = np.array([0, 1, 2, 2, 4, 5, 6])[camera]
    trial = Trial(np.array([0]), np.arange(7, 0, -1))  # not in the order of distance
    return features, Protocol("by hand", {}, (trial,), place, np.arange(8))


def test_ranking_of_the_hand_case_leaves_out_the_query_location():
    ranked = rank_gallery(*hand_case(), np.array([0]))
    assert [match.row for match in ranked[0].matches] == [2, 3, 4, 5, 6, 7]
    assert [match.right for match in ranked[0].matches] == [False, False, False, True, False, True]
    assert ranked[0].possible == 2
    # The query is (1, 0), the first match (1, 2): cosine 1 / sqrt(5).
    assert ranked[0].matches[0].similarity == pytest.approx(5**-0.5)


def test_ranking_is_cut_after_the_top():
    (ranked,) = rank_gallery(*hand_case(), np.array([0]), top=2)
    assert [match.row for match in ranked.matches] == [2, 3]


def test_queries_are_of_different_people_and_both_cameras():
    features = small_features(
        {(camera, person): 3 for camera in (3, 6) for person in range(1, 13)}, ties=False
    )
    rows = np.arange(len(features))
    drawn = draw_queries(features, rows, 8, np.random.default_rng(0))
    assert len(set(features.identity[drawn])) == 8
    assert Counter(features.camera[drawn].tolist()) == {3: 4, 6: 4}
    again = draw_queries(features, rows, 8, np.random.default_rng(0))
    assert drawn.tolist() == again.tolist()
    assert len(draw_queries(features, rows, 50, np.random.default_rng(0))) == 12


def test_picture_frames_right_matches_green_and_wrong_ones_red(tmp_path):
    features, _ = hand_case()
    for row in range(8):
        Image.new("RGB", (64, 128), (row, 0, 200)).save(tmp_path / f"{row}.png")
    ranked = [RankedQuery(0, (Match(5, True, 0.9), Match(2, False, 0.8)), possible=2)]
    picture = draw_ranked_galleries(features, ranked, tmp_path)
    pixels = np.asarray(picture)
    middle = pixels[ranked_gallery.GAP + ranked_gallery.CAPTION + ranked_gallery.TILE[0] // 2]
    # Across the middle of the line: frame, image, frame of the query, then of each match.
    runs = [middle[0]] + [b for a, b in pairwise(middle) if (a != b).any()]
    page, frame = ranked_gallery.PAGE, ranked_gallery.QUERY
    right, wrong = ranked_gallery.RIGHT, ranked_gallery.WRONG
    assert [tuple(run.tolist()) for run in runs] == [
        *(page, frame, (0, 0, 200), frame),
        *(page, right, (5, 0, 200), right),
        *(page, wrong, (2, 0, 200), wrong),
        page,
    ]


LIGHT_PICTURE, DARK_PICTURE, PHOTOGRAPH = b"\x89PNG light", b"\x89PNG dark", b"\xff\xd8 a JPEG"


def report(**changes) -> Report:
    values = {
        "title": "a title",
        "warning": None,
        "summary": "so many queries",
        "rows": ROWS,
        "about_rows": {"chance": "random numbers"},
        "illustrations": [
            Illustration("CMC", "curves", LIGHT_PICTURE, DARK_PICTURE),
            Illustration("Pictures", "rankings", PHOTOGRAPH, wide=True),
        ],
        "limits": ["no evidence"],
        "seconds": {"first": 1.25, "second": 2.5},
        "commands": [Command("draws", "fprnet data generate 'a folder'")],
    }
    return Report(**(values | changes))


def test_page_holds_its_pictures_and_names_no_other_address():
    page = render(report())
    addresses = re.findall(r'(?:src|srcset|href)="([^"]*)"', page)
    assert all(address.startswith("data:image/") for address in addresses)
    assert "http" not in page
    held = [base64.b64decode(address.partition("base64,")[2]) for address in addresses]
    assert held == [DARK_PICTURE, LIGHT_PICTURE, PHOTOGRAPH]
    assert addresses[2].startswith("data:image/jpeg;")


def test_page_shows_numbers_and_escapes_text():
    page = render(report())
    assert '<tr><th scope="row">a &lt;b&gt;</th><td>90.5 ± 1.4</td>' in page
    assert "<b>a" not in page
    assert "3.8 s" in page  # 1.25 + 2.5
    assert "fprnet data generate &#39;a folder&#39;" in page


def test_warning_stands_only_where_it_is_given():
    assert 'class="warning"' not in render(report())
    assert '<p class="warning">means nothing</p>' in render(report(warning="means nothing"))
