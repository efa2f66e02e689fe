"""The table of a manifest; whether its images are there is seen when they are read."""

from __future__ import annotations

from fprnet.data.checks.findings import Findings, Seen
from fprnet.data.manifest import manifest_file, read_manifest
from fprnet.errors import DataError

__all__ = ["look"]


def look(findings: Findings) -> tuple[dict[str, tuple[int, ...]], list[Seen]]:
    """Return who is listed for which part, and all images; note what is wrong with the table."""
    try:
        split = read_manifest(findings.root)
    except DataError as error:
        folder = findings.root if findings.root.is_dir() else findings.root.parent
        try:
            file = manifest_file(findings.root)
        except DataError:
            file = folder
        findings.root = folder
        findings.add_error(file, error)
        return {}, []
    findings.root = split.listed.root
    columns = (split.listed.identity.tolist(), split.listed.camera.tolist(), split.listed.modality)
    rows = zip(split.listed.files(), *columns, strict=True)
    images = [Seen(path, person, camera, modality) for path, person, camera, modality in rows]
    return {"train": split.train, "validation": split.validation, "test": split.test}, images
