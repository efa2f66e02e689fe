"""The names of foreign code become modules, if the user has allowed them, and say where they lie.

Nothing is imported because a config or a checkpoint names it: its distribution or file must have
been named by the user, with ``--plugin`` or in ``FPRNET_PLUGINS``. The working directory is never
searched.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import ModuleType
from typing import Any

from fprnet.errors import UsageError

__all__ = ["VARIABLE", "allow_plugins", "find", "load_module", "offer", "source_of"]

VARIABLE = "FPRNET_PLUGINS"
"""Environment variable: names of distributions and paths of files, separated by commas."""

OWN = ("fprnet", "fprnet_lab")
_OFFERED: dict[str, tuple[Callable[..., Any], str]] = {}


def allow_plugins(names: Sequence[str]) -> None:
    """Allow components of these distributions and files, here and in processes started from here.

    Args:
        names: An installed distribution's name, or the path of a ``.py`` file, each.

    Raises:
        UsageError: There is no such distribution or file.
    """
    known = _allowed()
    for name in names:
        word = str(Path(name).resolve()) if name.endswith(".py") else name
        _check(word)
        if word not in known:
            known.append(word)
    os.environ[VARIABLE] = ",".join(known)


def load_module(name: str) -> ModuleType | None:
    """Import a module of fprnet or of an allowed plugin; None where nobody has allowed it.

    Args:
        name: ``package.module``; of a file ``my_method.py`` it is ``my_method``.

    Raises:
        UsageError: It is allowed but cannot be imported.
    """
    top = name.partition(".")[0]
    try:
        if top in OWN:
            return importlib.import_module(name)
        for word in _allowed():
            _check(word)
            if word.endswith(".py") and Path(word).stem == name:
                return _load_file(Path(word))
            if not word.endswith(".py") and top in _packages(word):
                with _without_working_directory():
                    return importlib.import_module(name)
    except ImportError as error:
        raise UsageError(f"module {name} cannot be imported ({error}); correct its name") from error
    return None


def find(word: str) -> tuple[Callable[..., Any], str] | None:
    """Return the function or class of an import path, and whose code it is.

    Only what the allowed code defines itself can be reached: a checkpoint of somebody else must
    not call ``os.system`` through a module that happens to import ``os``.

    Args:
        word: ``package.module:Name`` or ``package.module.Name``.

    Returns:
        The thing and its source; None where the word is no import path.

    Raises:
        UsageError: Nobody has allowed it, or there is no such thing.
    """
    if word in _OFFERED:
        return _OFFERED[word]
    module_name, colon, attribute = word.partition(":")
    if not colon:
        module_name, _, attribute = word.rpartition(".")
    top = module_name.partition(".")[0]
    if not top or not attribute:
        return None
    if top in OWN:
        raise UsageError("which is part of fprnet; give the name that 'fprnet components' lists")
    module = load_module(module_name)
    if module is None:
        raise UsageError(
            "code that is not part of fprnet and not allowed; if you trust it, add "
            f"--plugin {top} (an installed distribution) or --plugin {top}.py (a file)"
        )
    thing: Any = module
    for part in attribute.split("."):
        thing = getattr(thing, part, None)
    if not callable(thing):
        raise UsageError(f"but module {module_name} has no such function or class")
    source, home = source_of(module_name), str(getattr(thing, "__module__", None))
    if source is None or source_of(home) != source:
        raise UsageError(f"which {home} defines; define a function in {module_name} that calls it")
    return thing, source


def source_of(module: str) -> str | None:
    """Return whose code a module is: None for fprnet's own, else distribution and version, or file.

    "circle-reid 1.2" for an installed distribution, "my_method.py sha256:..." for a file.
    """
    top = module.partition(".")[0]
    if top in OWN:
        return None
    for word in _allowed():
        if word.endswith(".py") and Path(word).stem == module:
            digest = hashlib.sha256(Path(word).read_bytes()).hexdigest()
            return f"{Path(word).name} sha256:{digest}"
        if not word.endswith(".py") and top in _packages(word):
            return f"{distribution(word).name} {distribution(word).version}"
    return None


def offer(thing: Any, make: Callable[..., Any] | None = None) -> str:  # noqa: ANN401
    """Make an object of the running program a component, and return its import path.

    Args:
        thing: What the Python caller passes: a function, a class, or an object of one.
        make: Function that is called for it, with what the program supplies; None: ``thing``.

    Raises:
        UsageError: It cannot be called.
    """
    if not callable(thing):
        raise UsageError(f"{thing!r} cannot be called; give a function, a class or a module")
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    word = f"{named.__module__}:{named.__qualname__}"
    try:
        text = inspect.getsource(named)
    except (OSError, TypeError):  # typed at a prompt
        text = repr(named)
    source = f"Python object sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    _OFFERED[word] = (make or thing, source)
    return word


def _allowed() -> list[str]:
    return [word for word in os.environ.get(VARIABLE, "").split(",") if word]


def _check(word: str) -> None:
    if word.endswith(".py"):
        if not Path(word).is_file():
            raise UsageError(f"plugin {word} does not exist; give the path of a Python file")
        return
    try:
        distribution(word)
    except (PackageNotFoundError, ValueError) as error:
        raise UsageError(
            f"plugin {word!r} is no installed distribution; install it with pip, or give the path "
            "of a .py file"
        ) from error


def _packages(name: str) -> set[str]:
    """Return the top-level packages of an installed distribution."""
    found = distribution(name)
    declared = (found.read_text("top_level.txt") or "").split()
    sources = [file for file in found.files or () if file.suffix == ".py"]
    files = [file.parts[0].removesuffix(".py") for file in sources]
    packages = {package for package in declared or files if package.isidentifier()}
    return packages or {found.name.replace("-", "_")}  # installed as a link to its source


def _load_file(path: Path) -> ModuleType:
    known = sys.modules.get(path.stem)
    if known is not None:
        if Path(known.__file__ or "").resolve() == path:
            return known
        raise UsageError(f"plugin {path} has the name of another module; rename the file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"plugin {path} is no Python file; give another")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # classes look up their module, e.g. to be pickled
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[path.stem]
        raise UsageError(f"plugin {path} fails when imported ({error}); correct it") from error
    return module


@contextmanager
def _without_working_directory() -> Iterator[None]:
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
