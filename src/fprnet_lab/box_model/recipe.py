"""A folder becomes the recipe of a model: whom it is shown, how it is trained, where it is tried.

``recipe.yaml`` has the keys of `Recipe` but ``run``; ``run.yaml`` is a config of ``fprnet train``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import ConfigDict, Field, InstanceOf, TypeAdapter, ValidationError

from fprnet.config import load_config
from fprnet.config.schema import RunConfig
from fprnet.errors import ConfigError
from fprnet.ranges import CountOrZero, PositiveInt
from fprnet_lab.people.options import PeopleOptions

__all__ = ["People", "Recipe", "Site", "read_recipe", "recipe_names"]

RECIPES = Path(__file__).with_name("recipes")
LISTED = 16  # of the people, who stand in the validation list
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class People:
    """The training people, rendered.

    Attributes:
        identities: Number of people; all are trained on, the last 16 stand in the validation list,
            since a data set has one.
        images_per_camera: Mean number of images of an identity in each of six cameras.
        size: Height and width of the crops, pixels.
        seed: Seed of the people and of their moments.
        worlds: First and last seed of the sites at which the images are taken.
        generator_version: Version of the generator whose pictures are taken, here and at the sites.
    """

    __pydantic_config__ = _STRICT

    identities: Annotated[int, Field(gt=LISTED)]
    images_per_camera: PositiveInt
    size: tuple[PositiveInt, PositiveInt]
    seed: CountOrZero
    worlds: tuple[CountOrZero, CountOrZero]
    generator_version: PositiveInt

    def options(self) -> PeopleOptions:
        """Return the options of the generator."""
        first, last = self.worlds
        return PeopleOptions(
            identities=self.identities - LISTED,
            validation_identities=LISTED,
            test_identities=0,
            images_per_camera=self.images_per_camera,
            size=self.size,
            seed=self.seed,
            worlds=tuple(range(first, last + 1)),
            version=self.generator_version,
        )


@dataclass(frozen=True)
class Site:
    """One world with people of its own, of whom the model sees nothing in training.

    Attributes:
        world: Seed of the site: its cameras, places, season, population.
        seed: Seed of the people.
        identities: Number of people.
        images_per_camera: Mean number of images of each of them in each camera.
    """

    __pydantic_config__ = _STRICT

    world: CountOrZero
    seed: CountOrZero
    identities: PositiveInt
    images_per_camera: PositiveInt = 3

    def options(self, people: People) -> PeopleOptions:
        """Return the options of the generator; the people are test identities.

        Args:
            people: The training people, whose size and version of the generator are taken.
        """
        return PeopleOptions(
            identities=1,  # a data set lists somebody to train on
            validation_identities=1,
            test_identities=self.identities,
            images_per_camera=self.images_per_camera,
            size=people.size,
            seed=self.seed,
            worlds=(self.world,),
            version=people.generator_version,
        )


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a model is.

    Attributes:
        name: Name of the model.
        summary: What it is, in one sentence, for the head of its card.
        people: The training people.
        calibration: Site on whose people the calibration is fitted.
        sites: Sites on which the model is scored; they must not be among the training worlds.
        run: Config of the training, without a data set.
        warm_start: Recipe of the model from whose backbone the training starts; None: from what
            ``run`` says.
        start_from: Recipe of the model from all of whose weights but the classifiers it starts.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    name: str
    summary: str
    people: People
    calibration: Site
    sites: tuple[Site, ...]
    run: InstanceOf[RunConfig]
    warm_start: InstanceOf[Recipe] | None = None
    start_from: InstanceOf[Recipe] | None = None

    @property
    def earlier(self) -> Recipe | None:
        """Recipe of the model that is made before this one, in either role."""
        return self.warm_start if self.start_from is None else self.start_from

    @property
    def worlds(self) -> frozenset[int]:
        """Training worlds, those of the earlier models included."""
        first, last = self.people.worlds
        seen = frozenset() if self.earlier is None else self.earlier.worlds
        return seen | frozenset(range(first, last + 1))


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with the laboratory, sorted."""
    return sorted(folder.name for folder in RECIPES.iterdir() if folder.is_dir())


def read_recipe(source: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe, and that of the model it starts from.

    Args:
        source: Name of one that comes with the laboratory, or a folder.
        overrides: ``["--training.epochs", "1", ...]``, changes of the config of the run; the model
            it starts from keeps its own.

    Raises:
        ConfigError: A file cannot be read, a key is unknown or missing, a value is out of range,
            a site is one of the training worlds, or a recipe starts from itself or from two.
    """
    return _read(source, overrides, ())


def _read(source: str | Path, overrides: Sequence[str], asked: tuple[Path, ...]) -> Recipe:
    """Read a recipe that the recipes in the folders ``asked`` start from."""
    known = str(source) in recipe_names()
    folder = RECIPES / str(source) if known else Path(source)
    if not folder.is_dir():
        raise ConfigError(
            f"recipe {source} does not exist; the recipes are {', '.join(recipe_names())}, or give "
            "a folder with recipe.yaml and run.yaml"
        )
    if folder.resolve() in asked:
        raise ConfigError(f"recipe {source} starts from itself; give another to start from")
    run = load_config(file=folder / "run.yaml", overrides=overrides)
    values = _read_yaml(folder / "recipe.yaml")
    starts = [key for key in ("warm_start", "start_from") if values.get(key) is not None]
    if len(starts) > 1:
        raise ConfigError(f"recipe {source} has both {' and '.join(starts)}; keep one of them")
    for key in starts:
        near = folder / str(values[key])  # of a folder beside this one, or else by name
        earlier = near if near.is_dir() else str(values[key])
        values[key] = _read(earlier, (), (*asked, folder.resolve()))
    try:
        recipe: Recipe = _ADAPTER.validate_python({**values, "run": run})
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg'].lower()}"
            for fault in error.errors()
        )
        raise ConfigError(f"recipe {folder / 'recipe.yaml'}: {faults}; correct it") from error
    for site in (recipe.calibration, *recipe.sites):
        if site.world in recipe.worlds:
            raise ConfigError(
                f"recipe {source}: world {site.world} of a site is one of the training worlds; "
                "give another"
            )
    return recipe


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"recipe {file} cannot be read ({reason}); correct it") from error
    if not isinstance(values, dict):
        raise ConfigError(f"recipe {file} holds no keys; give those of a recipe")
    return values


_ADAPTER = TypeAdapter(Recipe)
