"""Table 8: published numbers stand beside ours only where both can be compared."""

from fprnet.reproduction.table8 import METRICS, ROWS, score_table

CELLS = [
    {"method": row.label, "seed": seed, **dict.fromkeys(METRICS, 20.0 + 2 * seed)}
    for row in ROWS
    for seed in (0, 1)
]


def test_full_scale_shows_published_ours_and_difference():
    table = score_table(CELLS, with_published=True)
    assert table.rows[0] == ["FPRnet", "published", "29.28", "68.43", "81.01", "31.43"]
    assert table.rows[1][1:3] == ["ours", "21.0 ± 1.4"]  # mean and deviation of 20 and 22
    assert table.rows[2][2] == "-8.3"  # 21.00 - 29.28


def test_miniature_shows_ours_alone():
    table = score_table(CELLS, with_published=False)
    assert table.head == ["method", *METRICS]
    assert table.rows == [[row.label, *["21.0 ± 1.4"] * 4] for row in ROWS]
