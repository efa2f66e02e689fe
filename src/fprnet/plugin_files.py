"""A plugin's file becomes a module, with the files beside it that it imports; all have one hash."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from fprnet.errors import UsageError

__all__ = ["code_of_file", "load_file", "source_of_file", "without_working_directory"]

# What an import means everywhere, whatever lies beside a plugin.
FIXED = sys.stdlib_module_names | {"fprnet", "fprnet_lab"}
_IMPORTED: dict[Path, str] = {}  # files of plugins, as they were when they were imported
_HELPERS: dict[str, Path] = {}  # files that plugins import, by the name of the module


def code_of_file(file: Path) -> list[Path]:
    """Return a file and the ``.py`` files beside it that it imports, or that those import.

    Args:
        file: A file of Python code; it is read and not run.

    Returns:
        The file itself first, the others in the order of their names.
    """
    found, waiting = {file}, [file]
    while waiting:
        names = _imported_names(waiting.pop()) - FIXED
        beside = {file.with_name(f"{name}.py") for name in names}
        new = [path for path in beside - found if path.is_file()]
        found.update(new)
        waiting += new
    return [file, *sorted(found - {file})]


def _imported_names(file: Path) -> set[str]:
    """Return the first word of everything that a file imports, wherever in it; of no code none."""
    try:
        nodes = list(ast.walk(ast.parse(file.read_bytes())))
    except (SyntaxError, ValueError):
        return set()
    modules = [a.name for node in nodes if isinstance(node, ast.Import) for a in node.names]
    modules += [
        n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module and not n.level
    ]
    return {module.partition(".")[0] for module in modules}


def source_of_file(file: Path) -> str:
    """Return the name of a plugin's file with the hash of its code.

    The hash is the file's SHA-256; where it imports files beside it, that of a line "SHA-256 name"
    for each file, as ``sha256sum`` prints them.

    Args:
        file: A file of Python code.
    """
    digests = [(hashlib.sha256(path.read_bytes()).hexdigest(), path) for path in code_of_file(file)]
    digest = digests[0][0]
    if len(digests) > 1:
        lines = "".join(f"{one}  {path.name}\n" for one, path in digests)
        digest = hashlib.sha256(lines.encode()).hexdigest()
    return f"{file.name} sha256:{digest}"


def load_file(path: Path) -> ModuleType:
    """Import a file as the module of its name; what it imports may lie beside it.

    Args:
        path: A ``.py`` file that the user has allowed.

    Raises:
        UsageError: It fails, it has changed since it was imported, or another module has its name
            or that of a file that it imports.
    """
    known = _known(path)
    if known is not None:
        return known
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"plugin {path} is no Python file; give another")
    module = importlib.util.module_from_spec(spec)
    helpers = code_of_file(path)[1:]
    new = [path, *(helper for helper in helpers if _known(helper) is None)]
    _offer(helpers)
    _IMPORTED[path] = source_of_file(path)
    sys.modules[path.stem] = module  # classes look up their module, e.g. to be pickled
    try:
        with without_working_directory():
            spec.loader.exec_module(module)
    except Exception as error:
        for file in new:
            sys.modules.pop(file.stem, None)
        raise UsageError(
            f"plugin {path} fails when imported ({error}); {_cure(path, error)}"
        ) from error
    return module


def _known(path: Path) -> ModuleType | None:
    """Return the module of a plugin's file, if it was imported.

    Raises:
        UsageError: The file has changed since, or another module has its name.
    """
    known = sys.modules.get(path.stem)
    if known is None:
        return None
    if Path(getattr(known, "__file__", None) or "").resolve() != path.resolve():
        raise UsageError(f"plugin {path} has the name of another module; rename the file")
    if _IMPORTED.get(path, source_of_file(path)) != source_of_file(path):
        raise UsageError(
            f"plugin {path}, or a file that it imports, has changed since it was imported; restart "
            "Python"
        )
    return known


def _cure(path: Path, error: Exception) -> str:
    missing = (getattr(error, "name", None) or "").partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and missing and path.with_name(missing).is_dir():
        return (
            f"only files beside a plugin can be imported, not folders: make {missing} and the "
            "plugin a distribution, install it with 'pip install -e' and name that with --plugin"
        )
    return "correct it"


class _HelperFinder(MetaPathFinder):
    """Finds what plugins import beside them, and nothing else there."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module of this name lies, if it is such a file."""
        del path, target
        file = _HELPERS.get(name)
        if file is None:
            return None
        _IMPORTED[file] = source_of_file(file)
        return importlib.util.spec_from_file_location(name, file)


def _offer(helpers: Sequence[Path]) -> None:
    """Let plugins import these files.

    Raises:
        UsageError: Another plugin imports another file of one of these names.
    """
    for file in helpers:
        other = _HELPERS.setdefault(file.stem, file)
        if other != file:
            raise UsageError(f"plugins import {other} and {file}; rename one of the two files")
    if not any(isinstance(finder, _HelperFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _HelperFinder())


@contextmanager
def without_working_directory() -> Iterator[None]:
    """Hide the working directory from imports: a file there may bear a plugin's name."""
    before = list(sys.path)
    here = str(Path.cwd())
    script = sys.path[:1]  # where 'python -m' and interactive sessions put it
    if script and script[0] in ("", here):
        sys.path[:1] = []
    try:
        yield
    finally:
        sys.path[:] = before
