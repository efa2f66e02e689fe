"""What can be wrong with the folders and lists of each layout, apart from the images themselves."""

from fprnet.data.checks import llcm, manifest, regdb, sysu_mm01

__all__ = ["llcm", "manifest", "regdb", "sysu_mm01"]
