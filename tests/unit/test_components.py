"""Names and import paths become code with its options, or one sentence that says what is wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import pytest

from fprnet.components import Component, Kind, components_in, options_of, plain
from fprnet.errors import ConfigError
from fprnet.filling import fill, parse_component
from fprnet.kinds import KINDS
from fprnet.plugins import offer
from fprnet.ranges import LayerSizes, Positive, PositiveInt

SHAPE = Kind("shape", f"{__name__}:SHAPES", ("scale",))
COLOUR = Kind("colour", f"{__name__}:COLOURS")


@dataclass(frozen=True)
class Colour:
    red: Annotated[float, "0 to 1"] = 0.0
    name: str = ""


@dataclass(frozen=True)
class Grid:
    rows: PositiveInt = 2
    order: Literal["row", "column"] = "row"


def circle(
    scale: float,
    *,
    radius: Positive,
    colour: Annotated[Component, COLOUR] = Component(COLOUR, "plain"),  # noqa: B008
    edge: Annotated[Component | None, COLOUR] = None,
    grid: Grid = Grid(),
    sizes: LayerSizes = (3,),
    weights: Mapping[int, float] = {},
    others: Annotated[Mapping[str, Component], COLOUR] = {},
    unknown=None,
    **_: object,
):
    """A component with an option of every sort; it returns what it was called with."""
    return scale, radius, colour, edge, grid, sizes, weights, others, unknown


@dataclass(frozen=True)
class Square:
    """A class as a component, with a default that is made."""

    scale: float
    side: Positive = 1.0
    corners: Sequence[int] = field(default_factory=lambda: [1, 2, 3, 4])

    @staticmethod
    def faults(options, config):
        if options["side"] > config:
            yield f"side is {options['side']}"


SHAPES = {"circle": circle, "square": Square}
COLOURS = {"plain": Colour}


def parse(value, kind=SHAPE, **options):
    return parse_component(kind, value, key="shape", **options)


def refused(value, kind=SHAPE, **options):
    with pytest.raises(ConfigError) as error:
        parse(value, kind, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_member_of_every_kind_says_what_it_takes(kind):
    for name, member in kind.members.items():
        for parameter in options_of(kind, member).values():
            assert parameter.annotation is not parameter.empty, (name, parameter)


def test_supplied_arguments_come_by_position_and_options_by_name():
    component = parse({"class_path": "circle", "init_args": {"radius": 2}})
    scale, radius, colour, edge, *rest = component.build(7)
    assert (scale, radius, edge) == (7, 2.0, None)
    assert colour == Colour()  # built, since the program supplies nothing to it
    assert rest == [Grid(), (3,), {}, {}, None]


def test_a_component_that_needs_the_program_is_passed_on_unbuilt():
    nested_kind = Kind("nest", f"{__name__}:NESTS")
    (inner,) = parse_component(nested_kind, "nest", key="nest").build()
    assert isinstance(inner, Component)
    assert (inner.build(3).scale, inner.build(3).side) == (3, 1.0)


def nest(*, shape: Annotated[Component, SHAPE] = Component(SHAPE, "square")):  # noqa: B008
    return (shape,)


NESTS = {"nest": nest}


def test_words_of_the_command_line_become_values_of_the_types():
    options = {
        "radius": "1e-1",
        "edge": "plain",
        "grid": {"rows": "3", "order": "column"},
        "sizes": "[1, 2]",
        "weights": "{5: 1}",
        "others": {"plain": {"name": "7"}, "second": "plain"},
    }
    built = parse({"class_path": "circle", **options}).build(1)
    _, radius, _, edge, grid, sizes, weights, others, _ = built
    assert (radius, edge, grid, sizes) == (0.1, Colour(), Grid(3, "column"), (1, 2))
    assert weights == {5: 1.0}
    assert others == {"plain": Colour(name="7"), "second": Colour()}


def test_a_default_that_is_made_is_the_default():
    assert parse("square").options == {"side": 1.0, "corners": (1, 2, 3, 4)}


def test_plain_values_come_back_as_the_same_component():
    component = parse({"class_path": "circle", "radius": 2, "others": {"a": "plain"}})
    written = plain(component)
    assert written["class_path"] == "circle"
    assert written["init_args"]["others"] == {
        "a": {"class_path": "plain", "init_args": {"red": 0.0, "name": ""}}
    }
    assert parse(written) == component


def test_options_alone_are_those_of_the_default():
    assert parse({"side": 3}, default="square").options["side"] == 3.0
    assert "class_path" in refused({"side": 3})


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("cirle", ["shape is cirle", "circle, square", "did you mean circle?", "module:Name"]),
        (3, ["shape is 3", "circle, square"]),
        (["circle"], ["shape is ['circle']"]),
        ({"class_path": ["circle"]}, ["shape is ['circle']"]),
        ({"class_path": {"a": 1}}, ["shape is {'a': 1}"]),
        ({"class_path": None}, ["shape is None"]),
        ({"class_path": "square", "init_args": [1]}, ["shape.init_args is [1]"]),
        ("circle", ["shape.radius is missing"]),
        ({"class_path": "circle", "radius": 0}, ["shape.radius is 0", "greater than 0"]),
        ({"class_path": "circle", "radius": True}, ["shape.radius is True", "a number"]),
        ({"class_path": "circle", "radius": 1, "scale": 2}, ["shape.scale is not an option"]),
        ({"class_path": "circle", "radius": 1, "sizes": []}, ["shape.sizes is []"]),
        ({"class_path": "circle", "radius": 1, "sizes": [0]}, ["shape.sizes is [0]"]),
        ({"class_path": "circle", "radius": 1, "grid": 3}, ["shape.grid is a section"]),
        ({"class_path": "circle", "radius": 1, "grid": {"row": 3}}, ["mean shape.grid.rows?"]),
        ({"class_path": "circle", "radius": 1, "colour": None}, ["shape.colour is null", "plain"]),
        ({"class_path": "circle", "radius": 1, "others": 3}, ["shape.others is 3", "by name"]),
        (
            {"class_path": "circle", "radius": 1, "colour": {"class_path": "plain", "blue": 1}},
            ["shape.colour.blue is not an option of colour plain"],
        ),
        ({"class_path": "square", "source": "circle-reid 1.2"}, ["circle-reid 1.2", "None"]),
    ],
)
def test_what_cannot_be_understood_is_named(value, parts):
    told = refused(value)
    assert [part for part in parts if part not in told] == []


def test_all_faults_of_a_component_are_in_one_message():
    told = refused({"class_path": "circle", "grid": {"rows": 0}, "sizes": "x", "radios": 1})
    for part in ("shape.grid.rows is 0", "shape.sizes is x", "shape.radios", "shape.radius is"):
        assert part in told


def test_components_say_what_does_not_fit_the_rest():
    component = parse({"class_path": "square", "side": 3})
    assert list(component.faults(4)) == []
    assert list(component.faults(2)) == ["side is 3.0"]
    outer = Component(Kind("nest", f"{__name__}:NESTS"), "nest", {"shape": component})
    assert list(outer.faults(2)) == ["side is 3.0"]  # of those inside too


def test_components_in_nested_values():
    one, two = parse("square"), Component(COLOUR, "plain")
    assert list(components_in({"a": one, "b": {"c": two}, "d": 3})) == [one, two]


def test_fill_takes_defaults_and_names_keys():
    assert fill(Grid, {"rows": "4"}) == (Grid(4), [])
    filled, faults = fill(Grid, {"rowz": 1, "order": "both"}, "grid.")
    assert filled is None
    assert [fault.split(" ")[0] for fault in faults] == ["grid.rowz", "grid.order"]


def test_options_can_be_replaced():
    component = parse({"class_path": "square", "side": 3})
    assert component.with_options(side=4.0).options["side"] == 4.0
    assert component.options["side"] == 3.0


def plain_function(output, margin=0.5, power=2, hard=False, mode="sum", other=None):
    return output, margin, power, hard, mode, other


def test_options_without_annotations_have_the_type_of_their_default(monkeypatch):
    monkeypatch.setitem(SHAPES, "plain-function", plain_function)
    words = {"margin": "1e-3", "power": "0.5", "hard": "true", "mode": "1", "other": "[1, 2]"}
    value = {"class_path": "plain-function", "init_args": words}
    options = parse_component(SHAPE, value, key="shape").options
    assert options == {"margin": 0.001, "power": 0.5, "hard": True, "mode": "1", "other": [1, 2]}
    for option, wrong in (("margin", "wide"), ("hard", "perhaps")):
        value = {"class_path": "plain-function", "init_args": {option: wrong}}
        with pytest.raises(ConfigError, match=f"shape.{option} is {wrong}, expected"):
            parse_component(SHAPE, value, key="shape")


class Half:
    """What a stranger takes for a sampler, a callback, a backbone, a head or a network."""

    def __init__(self, *supplied) -> None:
        self.batch = self.embed = self.stages = supplied


@pytest.mark.parametrize(
    ("kind", "lacking"),
    [
        ("sampler", "has no identity and no left_out and no steps_per_epoch"),
        ("callback", "has no begin_epoch and no set_modes and no begin_step"),
        ("backbone", "has no input_channels and no stage_channels and no stage_ends;"),
        ("head", "has no main_features"),
        ("network", "has no embedding_size;"),
    ],
)
def test_what_a_component_lacks_is_named(kind, lacking):
    component = Component(KINDS[kind], offer(Half))
    with pytest.raises(ConfigError, match=rf"^{kind} .*:Half {lacking}.*{KINDS[kind].described}"):
        component.build(*KINDS[kind].supplied)
