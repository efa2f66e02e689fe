"""The map of the house is true: who may import whom, and what the laboratory may use."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from conftest import ROOT

SRC = ROOT / "src"
LABORATORY = "fprnet_lab"

# A folder or file imports only from its own layer or an earlier one; CONTRIBUTING.md explains them.
LAYERS = (
    (
        "errors",
        "files",
        "ranges",
        "plain_text",
        "file_kinds",
        "text_table",
        "cores",
        "fonts",
        "tracklets",
        "agglomeration",
    ),
    ("plugin_files",),
    ("plugins", "typed_values", "tensor_files", "precision", "pretrained"),
    ("components",),
    ("filling",),
    ("kinds",),
    ("data",),
    ("config",),
    ("models",),
    ("losses",),
    ("methods",),
    ("runs",),
    ("embeddings",),
    ("evaluation",),
    ("training", "export", "gallery"),
    ("events",),
    ("reporting",),
    ("adaptation", "watch", "serving", "api"),
    ("cli",),
    ("__main__",),
)
FLOOR = {name: floor for floor, names in enumerate(LAYERS) for name in names}


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")


MODULES = {
    name_of(file): file for file in sorted(SRC.rglob("*.py")) if not file.name.startswith("test_")
}


@cache
def parsed(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def public_names(module: str) -> list[str] | None:
    for node in parsed(module).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return ast.literal_eval(node.value)
    return None


def imports(module: str) -> Iterator[tuple[str, str | None]]:
    """Yield (module, name) of everything that is imported from the repository's own packages."""
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Import):
            found = [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            found = []
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.append((whole, None) if whole in MODULES else (str(node.module), alias.name))
        else:
            continue
        for target, name in found:
            if target.partition(".")[0] in ("fprnet", LABORATORY):
                yield target, name


def part_of(module: str) -> str:
    """Return the folder or file of the core that a module belongs to."""
    return module.split(".")[1] if "." in module else "__init__"


CORE = [name for name in MODULES if name.startswith("fprnet.")]
LAB = [name for name in MODULES if name.partition(".")[0] == LABORATORY]


def test_every_folder_and_file_of_the_core_has_its_layer():
    assert {part_of(module) for module in CORE} == set(FLOOR)


@pytest.mark.parametrize("part", sorted(FLOOR))
def test_core_imports_from_its_own_layer_or_an_earlier_one(part):
    wrong = [
        f"{module} imports {target}"
        for module in CORE
        if part_of(module) == part
        for target, _ in imports(module)
        if (not target.startswith("fprnet.") and target != "fprnet")
        or (part_of(target) != part and FLOOR.get(part_of(target), -1) >= FLOOR[part])
    ]
    assert not wrong


def test_laboratory_uses_only_public_names_of_the_core():
    wrong = []
    for module in LAB:
        for target, name in imports(module):
            if target.partition(".")[0] != "fprnet":
                continue
            hidden = any(word.startswith("_") for word in target.split("."))
            if hidden or (name is not None and name not in (public_names(target) or ())):
                wrong.append(f"{module} uses {target}.{name}")
    assert not wrong


def test_nothing_in_the_sources_knows_the_stranger():
    package = ROOT / "tests" / "stranger" / "stranger"
    modules = [f"stranger.{file.stem}" for file in package.iterdir() if file.stem[0] != "_"]
    words = ("stranger-reid", "import stranger", "from stranger", "stranger:", *modules)
    assert len(modules) == 6
    knowing = [
        f"{file.relative_to(SRC)} says {word}"
        for file in SRC.rglob("*")
        if file.suffix in (".py", ".yaml", ".j2", ".json")
        for word in words
        if word in file.read_text(encoding="utf-8")
    ]
    assert not knowing


def test_contributing_names_every_part():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for name in FLOOR:
        assert f"`{name}" in text, name
