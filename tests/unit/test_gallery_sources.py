"""Images to add: folders, and tables as people have them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from fprnet.errors import DataError, GalleryError
from fprnet.gallery.sources import of_folder, of_table, only

ROWS = [
    ["Path", "MODALITY", "camera", "location", "Timestamp", "identity"],
    ["day\\1.png", "Visible", "gate", "", "2026-03-01T08:00+01:00", "0012"],
    ["/abs/2.png", "INFRARED", "3", "yard", "2026-03-01", "b7f3-uuid"],
    ["3.png", "", "", "", "", ""],
]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_tables_as_spreadsheets_write_them(tmp_path, separator, start):
    text = start + "\n".join(separator.join(row) for row in ROWS)
    (tmp_path / "day.csv").write_text(text, encoding="utf-8")
    check_rows(tmp_path, *of_table(tmp_path / "day.csv"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize(
    ("separator", "hint"),
    [(";", "sep=;"), (",", "SEP=,"), ("|", '"sep=|"'), ("\t", "sep=\t"), (";", None)],
)
def test_tables_of_spreadsheets_in_other_countries(tmp_path, encoding, separator, hint):
    rows = [*ROWS, ["" for _ in ROWS[0]]]  # a line that was emptied stays behind
    lines = [*([] if hint is None else [hint]), *(separator.join(row) for row in rows)]
    text = "\r\n".join(lines) + "\r\n"
    mark = "\ufeff" if encoding == "utf-16-be" else ""  # "utf-16" and "utf-8-sig" write their own
    (tmp_path / "day.csv").write_bytes((mark + text).encode(encoding))
    check_rows(tmp_path, *of_table(tmp_path / "day.csv"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("path;location\na.png;hall\nb.png;Straße\n".encode("cp1252"), "line 3 holds byte 0xdf"),
        (b"PK\x03\x04\x14\x00\x06\x00", "is a workbook"),
        ("path\na.png\n".encode("utf-16-le"), "zero bytes"),  # without its mark
        (b"\xff\xfep\x00a", "UTF-16 is damaged"),
    ],
)
def test_what_is_no_csv_is_named_with_what_to_do(tmp_path, content, said):
    (tmp_path / "day.csv").write_bytes(content)
    with pytest.raises(DataError, match=rf"day\.csv cannot be read as CSV .*{said}.*; save it as"):
        of_table(tmp_path / "day.csv")


def check_rows(tmp_path, first, second, third):
    assert first.as_dict() == {
        "path": str(tmp_path / "day/1.png"),
        "modality": "visible",
        "camera": "gate",
        "location": "gate",  # the camera itself where it is not known
        "time": "2026-03-01T07:00:00Z",
        "identity": "0012",
    }
    assert (second.path, second.modality, second.location) == ("/abs/2.png", "infrared", "yard")
    assert second.as_dict()["camera"] == 3
    assert (third.modality, third.camera, third.identity, third.time) == ("visible", *[None] * 3)


def test_times_of_a_table_that_name_no_zone_are_in_the_one_that_is_said(tmp_path):
    (tmp_path / "day.csv").write_text(
        "path,time\na.png,2026-07-01T08:00\nb.png,2026-07-01T08:00Z\nc.png,2026-12-01\n"
    )
    times = [
        [image.as_dict()["time"] for image in of_table(tmp_path / "day.csv", zone=zone)]
        for zone in (UTC, ZoneInfo("Europe/Berlin"))
    ]
    assert times == [
        ["2026-07-01T08:00:00Z", "2026-07-01T08:00:00Z", "2026-12-01T00:00:00Z"],
        ["2026-07-01T06:00:00Z", "2026-07-01T08:00:00Z", "2026-11-30T23:00:00Z"],
    ]


def test_times_as_the_table_writes_them(tmp_path, capsys):
    text = "path;time\na.png;02.11.2026 09:03:06\nb.png;\n"
    (tmp_path / "day.csv").write_text(text)
    written = "%d.%m.%Y %H:%M:%S"
    times = [
        [image.as_dict()["time"] for image in of_table(tmp_path / "day.csv", **given)]
        for given in ({"pattern": written}, {"pattern": written, "zone": ZoneInfo("Europe/Berlin")})
    ]
    assert times == [["2026-11-02T09:03:06Z", None], ["2026-11-02T08:03:06Z", None]]
    with pytest.raises(DataError, match=r"row 0: .*'02\.11\.2026 09:03:06' is no .*--time-format"):
        of_table(tmp_path / "day.csv")
    for wrong in ("%m/%d/%Y", "%Q"):
        with pytest.raises(DataError, match=f"row 0: .* not written as --time-format '{wrong}'"):
            of_table(tmp_path / "day.csv", pattern=wrong)


def test_parquet_with_numbers_and_times(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="needs pip install 'fprnet[formats]'")
    from pyarrow import parquet

    when = datetime(2026, 3, 1, 7, tzinfo=UTC)
    columns = {
        "PATH": ["1.png", "2.png"],
        "camera": [12.0, None],  # as pandas writes integers of which one is missing
        "identity": pyarrow.array([7, None], pyarrow.int64()),
        "time": [when, None],
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "day.parquet")
    first, second = of_table(tmp_path / "day.parquet", modality="infrared")
    assert (first.camera, first.identity, first.time, first.modality) == (
        "12",
        "7",
        when,
        "infrared",
    )
    assert (second.camera, second.identity, second.time) == (None, None, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("camera\n1\n", "path"),
        ("path\n", "lists no images"),
        ("path,modality\na.png,thermal\n", "row 0 has modality 'thermal'"),
        ("path,timestamp\na.png,noon\n", "row 0.*noon"),
        ("path,timestamp\na.png,0001-01-01T00:00:00+14:00\n", "row 0"),
        ("path,identity\na.png," + "x" * 300, "row 0 has identity"),
        ('path,identity\na.png,"a\nb"\n', "row 0.*identity"),
        ("path,camera\na.png\n", "row 0 has 1 values"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, text, said):
    (tmp_path / "day.csv").write_text(text)
    with pytest.raises(DataError, match=f"(?s){said}"):
        of_table(tmp_path / "day.csv")


def test_folder_gives_what_it_holds(tmp_path):
    for name in ("b.png", "a.jpg", "c.txt"):
        (tmp_path / name).write_bytes(b"")
    images = of_folder(tmp_path, "visible", camera="3", location="yard")
    assert [image.path for image in images] == [str(tmp_path / n) for n in ("a.jpg", "b.png")]
    assert {(image.camera, image.location) for image in images} == {("3", "yard")}
    with pytest.raises(GalleryError, match="camera"):
        of_folder(tmp_path, "visible", camera="\n")
    with pytest.raises(DataError, match="none of the 2 images is infrared"):
        only(images, "infrared")
