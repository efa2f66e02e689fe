"""The names of foreign code become modules, if the user has allowed them, and say where they lie.

Nothing is imported because a config or a checkpoint names it: its distribution or file must have
been named by the user, with ``--plugin`` or in ``FPRNET_PLUGINS``. The working directory is never
searched.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from fprnet.errors import UsageError
from fprnet.plugin_files import (
    code_of_file,
    load_file,
    source_of_file,
    without_working_directory,
)

__all__ = [
    "NOT_ALLOWED",
    "OTHER_VERSION",
    "VARIABLE",
    "advice",
    "allow_plugins",
    "allowed",
    "code_of",
    "defined",
    "find",
    "load_module",
    "offer",
    "source_of",
]

VARIABLE = "FPRNET_PLUGINS"
"""Environment variable: names of distributions and paths of files, separated by commas."""

NOT_ALLOWED = "code that is not part of fprnet and not allowed"
OTHER_VERSION = "code that was"

OWN = ("fprnet", "fprnet_lab")
IN_PYTHON = ", in Python by fprnet.allow_plugins"
_OFFERED: dict[str, tuple[Callable[..., Any], str]] = {}


def allow_plugins(names: Sequence[str | Callable[..., Any]]) -> None:
    """Allow components of these distributions and files, here and in processes started from here.

    Args:
        names: An installed distribution's name, the path of a ``.py`` file, or a class or function
            of the running program (for this process only), each.

    Raises:
        UsageError: There is no such distribution or file.

    Examples:
        A checkpoint of a network that was written in a notebook is loaded once the class is there
        again::

            fprnet.allow_plugins(["circle-reid", "my_method.py", MyNetwork])
    """
    known = allowed()
    for name in names:
        if not isinstance(name, str):
            offer(name)
            continue
        word = str(Path(name).resolve()) if name.endswith(".py") else name
        if "," in word:
            raise UsageError(f"plugin {word} has a comma in its name; rename or move the file")
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
        for word in allowed():
            _check(word)
            if word.endswith(".py") and Path(word).stem == name:
                return load_file(Path(word))
            if not word.endswith(".py") and _belongs(top, word):
                with without_working_directory():
                    return importlib.import_module(name)
    except ImportError as error:
        raise UsageError(f"module {name} cannot be imported ({error}); correct its name") from error
    return None


def find(word: str, recorded: str | None = None) -> tuple[Callable[..., Any], str] | None:
    """Return the function or class of an import path, and whose code it is.

    Only what the allowed code defines itself can be reached: a checkpoint of somebody else must
    not call ``os.system`` through a module that happens to import ``os``.

    Args:
        word: ``package.module:Name`` or ``package.module.Name``.
        recorded: Whose code it was when a config or checkpoint was written, if one says so.

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
    if module_name.endswith(".py"):
        raise UsageError(
            f"which has the name of a file; write {Path(module_name).stem}:{attribute} and name "
            f"the file with --plugin{IN_PYTHON}"
        )
    module = load_module(module_name)
    if module is None:
        raise UsageError(f"{NOT_ALLOWED}; if you trust it, {advice(module_name, recorded)}")
    thing: Any = module
    for part in attribute.split("."):
        thing = getattr(thing, part, None)
    if not callable(thing):
        raise UsageError(
            f"but module {module_name} has no such function or class{_alike(module, attribute)}"
        )
    source, home = source_of(module_name), str(getattr(thing, "__module__", None))
    if source is None or source_of(home) != source:
        raise UsageError(f"which {home} defines; define a function in {module_name} that calls it")
    return thing, source


def defined() -> dict[str, Callable[..., Any]]:
    """Return what the allowed files define themselves: import path -> function or class.

    Raises:
        UsageError: A file is missing, or cannot be imported.
    """
    files = [word for word in allowed() if word.endswith(".py")]
    modules = [load_module(Path(word).stem) for word in files]
    return {
        f"{module.__name__}:{name}": thing
        for module in modules
        if module is not None
        for name, thing in _own(module).items()
    }


def _own(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """Return the public functions and classes that a module defines itself."""
    return {
        name: thing
        for name, thing in vars(module).items()
        if callable(thing)
        and getattr(thing, "__module__", None) == module.__name__
        and not name.startswith("_")
    }


def _alike(module: ModuleType, name: str) -> str:
    """Return " (did you mean module:Name?)" with what the module defines itself, or what it has."""
    own = list(_own(module))
    matches = difflib.get_close_matches(name, own, n=1)
    if matches:
        return f" (did you mean {module.__name__}:{matches[0]}?)"
    return f"; it has {', '.join(own)}" if own else ""


def source_of(module: str) -> str | None:
    """Return whose code a module is: None for fprnet's own, else distribution and version, or file.

    "circle-reid 1.2" for an installed distribution, "my_method.py sha256:..." for a file.
    """
    top = module.partition(".")[0]
    if top in OWN:
        return None
    for word in allowed():
        if word.endswith(".py") and Path(word).stem == module:
            return source_of_file(Path(word))
        if not word.endswith(".py") and _belongs(top, word):
            return f"{distribution(word).name} {distribution(word).version}"
    return None


def code_of(thing: Callable[..., Any], source: str) -> list[Path]:
    """Return the file that defines a component and those beside it that it imports.

    Args:
        thing: The function or class.
        source: Whose code it is, as `source_of` says it.

    Returns:
        The files; none of a distribution's or a notebook's.
    """
    file = getattr(sys.modules.get(str(getattr(thing, "__module__", None))), "__file__", None)
    path = None if file is None else Path(file)
    if path is None or not path.is_file() or source_of_file(path) != source:
        return []
    return code_of_file(path)


def advice(module: str, source: str | None = None) -> str:
    """Return how a user allows a module that nobody has allowed.

    Args:
        module: Its name.
        source: Whose code it was when a config was written, as `source_of` says it; None where
            that is not known.
    """
    word, _, rest = (source or "").partition(" ")
    if rest.startswith("sha256:"):
        return f"add --plugin {word} with the path of that file ({rest}){IN_PYTHON}"
    if rest and word != "Python":
        return f"install the distribution {word} {rest} and add --plugin {word}"
    if rest:
        return "define it again and pass it to fprnet.allow_plugins"
    top = module.partition(".")[0]
    return (
        f"add --plugin {top} (an installed distribution) or --plugin {top}.py (a file){IN_PYTHON}"
    )


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
    if named.__module__ == "functools":
        raise UsageError(
            f"{thing!r} does not say its options; give the function, and its options as values of "
            "the config"
        )
    word = f"{named.__module__}:{named.__qualname__}"
    _OFFERED[word] = (make or thing, _source_of_object(thing, named))
    return word


def _source_of_object(thing: Any, named: Any) -> str:  # noqa: ANN401
    """Return what `source_of` would say of its file or distribution, were it a plugin."""
    module = sys.modules.get(named.__module__)
    file = getattr(module, "__file__", None)
    importable = named.__module__ != "__main__" and "<locals>" not in named.__qualname__
    if file is not None and importable:
        top = named.__module__.partition(".")[0]
        for owner in _owners().get(top, []):
            if _belongs(top, owner):
                return f"{distribution(owner).name} {distribution(owner).version}"
        return source_of_file(Path(file))
    try:
        text = inspect.getsource(named)
    except (OSError, TypeError):  # typed at a prompt
        text = repr(named)
    if thing is not named and " at 0x" not in repr(thing):
        text += repr(thing)  # what the object was made with
    return f"Python object sha256:{hashlib.sha256(text.encode()).hexdigest()}"


@cache
def _owners() -> Mapping[str, list[str]]:
    return packages_distributions()


def allowed() -> list[str]:
    """Return what the user has allowed: names of distributions, and whole paths of files."""
    words = [word for word in os.environ.get(VARIABLE, "").split(",") if word]
    return [str(Path(word).resolve()) if word.endswith(".py") else word for word in words]


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


def _belongs(top: str, name: str) -> bool:
    """Return whether a top-level package or module is one of an installed distribution.

    It must also lie where the distribution does: whatever else on the path has its name is not it.
    """
    project = _editable_folder(name)
    folder = Path(str(distribution(name).locate_file(""))).resolve() if project is None else project
    if top not in (_installed_packages(name) if project is None else _importable(project)):
        return False
    with without_working_directory():
        spec = importlib.util.find_spec(top)
    if spec is None:
        return False
    places = [spec.origin, *(spec.submodule_search_locations or [])]
    return all(Path(place).resolve().is_relative_to(folder) for place in places if place)


@cache
def _installed_packages(name: str) -> frozenset[str]:
    """Return the top-level packages and modules among the files of an installed distribution."""
    declared = (distribution(name).read_text("top_level.txt") or "").split()
    sources = [file for file in distribution(name).files or () if file.suffix == ".py"]
    return frozenset(declared or [file.parts[0].removesuffix(".py") for file in sources])


def _editable_folder(name: str) -> Path | None:
    """Return the folder that a distribution was installed from with ``pip install -e``."""
    text = distribution(name).read_text("direct_url.json")
    origin = json.loads(text) if text else {}
    if not origin.get("dir_info", {}).get("editable"):
        return None
    return Path(url2pathname(urlsplit(origin["url"]).path)).resolve()


def _importable(folder: Path) -> set[str]:
    """Return the names of packages and modules in a project's folder, or in its ``src``."""
    entries = [entry for place in (folder, folder / "src") for entry in place.glob("*")]
    return {entry.name.removesuffix(".py") for entry in entries}
