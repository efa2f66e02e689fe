"""The readers that come with fprnet: a layout's name becomes what knows its files and its protocol.

A layout of your own is an import path, ``my_reader:MyReader``; see `fprnet.data.reader`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from fprnet import plugins
from fprnet.components import Component, resolve
from fprnet.data import buptcampus, checks, hitsz_vcm, llcm, manifest, regdb, sysu_mm01
from fprnet.data.checks.findings import Findings, Lists, Seen
from fprnet.data.llcm import LlcmSplit
from fprnet.data.manifest import ManifestSplit
from fprnet.data.protocols.llcm import llcm_protocol
from fprnet.data.protocols.manifest import manifest_protocol
from fprnet.data.protocols.regdb import regdb_protocol
from fprnet.data.protocols.sysu_mm01 import sysu_mm01_protocol
from fprnet.data.protocols.tracklets import buptcampus_protocol, hitsz_vcm_protocol
from fprnet.data.reader import Part, Reader
from fprnet.data.records import Records
from fprnet.data.regdb import RegdbSplit
from fprnet.data.sysu_mm01 import SysuSplit
from fprnet.data.tracklets import TrackletSplit, check_listed, look_at_tracklets, records_of
from fprnet.errors import DataError, UsageError
from fprnet.filling import parse_component
from fprnet.kinds import READER

__all__ = ["READERS", "layout_component", "reader_of", "readers_of_plugins"]


class SysuMm01(Reader):
    """SYSU-MM01, and whatever is laid out as it is: cam1 to cam6, exp."""

    signs = ("exp", "cam[1-6]", "rand_perm_cam.mat", "test_id.mat")
    weak_signs = ("test_id.txt",)  # LLCM's lists have one, too, in idx
    example = "SYSU-MM01 (cam1 to cam6 and exp)"
    has_validation_list = True
    cameras = checks.sysu_mm01.CAMERAS
    protocol = staticmethod(sysu_mm01_protocol)

    def read_split(self, root: Path, _number: int | None, needed: Sequence[Part]) -> SysuSplit:
        return sysu_mm01.read_split(root, needed=needed)

    def read_records(self, root: Path, *, visible_only: bool = False) -> Records:
        cameras = sysu_mm01.VISIBLE_CAMERAS if visible_only else sysu_mm01.ALL_CAMERAS
        return sysu_mm01.read_records(root, cameras=cameras)

    def check_split(self, records: Records, split: SysuSplit) -> None:
        sysu_mm01.check_split(records, split)

    def look(self, findings: Findings) -> tuple[Lists, list[Seen]]:
        return checks.sysu_mm01.look(findings)


class RegDb(Reader):
    """RegDB: Visible, Thermal, and ten splits in idx."""

    signs = tuple(
        f"{folder}{part}_visible_*.txt" for folder in ("idx/", "") for part in regdb.PARTS
    )
    example = "RegDB (idx/train_visible_1.txt ...)"
    splits = regdb.SPLITS
    cameras = checks.regdb.CAMERAS
    protocol = staticmethod(regdb_protocol)

    def read_split(self, root: Path, number: int | None, needed: Sequence[Part]) -> RegdbSplit:
        return regdb.read_split(root, number or 0, needed=needed)

    def read_records(self, root: Path, *, visible_only: bool = False) -> Records:
        return _of_modality(regdb.read_records(root), visible_only)

    def check_split(self, records: Records, split: RegdbSplit) -> None:
        regdb.check_split(records, split)

    def look(self, findings: Findings) -> tuple[Lists, list[Seen]]:
        return checks.regdb.look(findings)


class Llcm(Reader):
    """LLCM: two training lists, the test identities, and test folders by camera."""

    signs = ("idx/train_vis.txt", "idx/test_id.txt", "train_vis.txt")
    example = "LLCM (idx/train_vis.txt ...)"
    cameras = checks.llcm.CAMERAS
    protocol = staticmethod(llcm_protocol)

    def read_split(self, root: Path, _number: int | None, needed: Sequence[Part]) -> LlcmSplit:
        return llcm.read_split(root, needed=needed)

    def read_records(self, root: Path, *, visible_only: bool = False) -> Records:
        return _of_modality(llcm.read_records(root), visible_only)

    def check_split(self, records: Records, split: LlcmSplit) -> None:
        llcm.check_split(records, split)

    def instants(self, _split: LlcmSplit, paths: Sequence[str]) -> list[str]:
        return [llcm.instant_of(path) for path in paths]

    def look(self, findings: Findings) -> tuple[Lists, list[Seen]]:
        return checks.llcm.look(findings)


class Manifest(Reader):
    """A table of anybody's images."""

    signs = manifest.FILES
    example = "a manifest (manifest.csv or manifest.parquet)"
    protocol = staticmethod(manifest_protocol)

    def takes_file(self, path: Path) -> bool:
        return path.suffix.lower() in (".csv", ".parquet")

    def read_split(self, root: Path, _number: int | None, _needed: Sequence[Part]) -> ManifestSplit:
        return manifest.read_manifest(root)

    def read_records(self, root: Path, *, visible_only: bool = False) -> Records:
        return _of_modality(manifest.read_manifest(root).listed, visible_only)

    def instants(self, split: ManifestSplit, paths: Sequence[str]) -> Sequence[str]:
        if split.time is None:
            return ()
        known = dict(zip(split.listed.path.tolist(), split.time.tolist(), strict=True))
        return [known.get(path, "") for path in paths]

    def check_split(self, records: Records, split: ManifestSplit) -> None:
        """Do nothing: the list is the records."""

    def look(self, findings: Findings) -> tuple[Lists, list[Seen]]:
        return checks.manifest.look(findings)


class HitszVcm(Reader):
    """HITSZ-VCM: tracklets in info."""

    signs = ("info/track_test_info.txt", "track_test_info.txt")
    example = "HITSZ-VCM (info/track_test_info.txt ...)"
    protocol = staticmethod(hitsz_vcm_protocol)

    def read_split(self, root: Path, _number: int | None, needed: Sequence[Part]) -> TrackletSplit:
        return hitsz_vcm.read_split(root, needed=needed)

    def read_records(self, root: Path, *, visible_only: bool = False) -> Records:
        return records_of(root, hitsz_vcm.read_split(root, needed=()), visible_only=visible_only)

    def check_split(self, records: Records, _split: TrackletSplit) -> None:
        check_listed(records)

    def look(self, findings: Findings) -> tuple[Lists, list[Seen]]:
        return _look_at_lists(findings, hitsz_vcm.read_split)


class BuptCampus(Reader):
    """BUPTCampus: tracklets in data_paths.json."""

    signs = ("data_paths.json",)
    example = "BUPTCampus (data_paths.json ...)"
    protocol = staticmethod(buptcampus_protocol)

    def read_split(self, root: Path, _number: int | None, needed: Sequence[Part]) -> TrackletSplit:
        return buptcampus.read_split(root, needed=needed)

    def read_records(self, root: Path, *, visible_only: bool = False) -> Records:
        return records_of(root, buptcampus.read_split(root, needed=()), visible_only=visible_only)

    def check_split(self, records: Records, _split: TrackletSplit) -> None:
        check_listed(records)

    def look(self, findings: Findings) -> tuple[Lists, list[Seen]]:
        return _look_at_lists(findings, buptcampus.read_split)


READERS: dict[str, type[Reader]] = {
    "sysu-mm01": SysuMm01,
    "regdb": RegDb,
    "llcm": Llcm,
    "hitsz-vcm": HitszVcm,
    "buptcampus": BuptCampus,
    "manifest": Manifest,
}
"""Name of a layout -> its reader."""


def layout_component(layout: str) -> Component:
    """Return the reader that a layout's name or import path means, as a component.

    Raises:
        UsageError: There is no such reader.
        ConfigError: It is code of somebody else that was not allowed.
    """
    target, _ = resolve(READER, layout, "layout")
    if not _is_reader(target):
        raise UsageError(
            f"layout {layout} is no reader; derive the class from fprnet.data.reader.Reader"
        )
    return parse_component(READER, layout, key="layout", of_config=False)


def readers_of_plugins() -> list[str]:
    """Return the layouts whose readers the allowed files define, as import paths.

    Raises:
        UsageError: A file cannot be imported.
    """
    return [path for path, thing in plugins.defined().items() if _is_reader(thing)]


def reader_of(layout: str) -> Reader:
    """Return the reader of a layout.

    Raises:
        UsageError: There is no such reader.
        ConfigError: It is code of somebody else that was not allowed.
    """
    reader: Reader = layout_component(layout).build()
    return reader


def _is_reader(thing: object) -> bool:
    return Reader in getattr(thing, "__mro__", ())  # issubclass needs methods only


def _look_at_lists(
    findings: Findings, read_split: Callable[[Path], TrackletSplit]
) -> tuple[Lists, list[Seen]]:
    try:
        split = read_split(findings.root)
    except DataError as error:
        findings.add_error(findings.root, error)
        return {"train": (), "test": ()}, []
    return look_at_tracklets(findings, split)


def _of_modality(records: Records, visible_only: bool) -> Records:
    return records.where(records.modality == "visible") if visible_only else records
