"""A data set and what a user chose become the protocol by which its features are scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fprnet.components import Kind, nearest, options_of
from fprnet.data.data_set import DataSet
from fprnet.data.protocols.named import PROTOCOLS
from fprnet.data.protocols.protocol import NamedProtocol, Protocol
from fprnet.data.reader import Reader
from fprnet.data.readers import reader_of
from fprnet.data.records import ImageTable
from fprnet.errors import UsageError
from fprnet.filling import parse_component

__all__ = ["check_rows", "make_protocol", "named_options", "named_protocols", "protocol_options"]

SUPPLIED = ("images", "split", "identities")


@dataclass(frozen=True, eq=False)
class _ReaderProtocols(Kind):
    """The protocol of one reader as a component, so that its options are checked by its types."""

    functions: Mapping[str, Callable[..., Protocol]] = field(default_factory=dict)

    @property
    def members(self) -> Mapping[str, Callable[..., Protocol]]:
        return self.functions


def _kind(layout: str, reader: Reader) -> Kind:
    return _ReaderProtocols("protocol", layout, SUPPLIED, functions={layout: reader.protocol})


def make_protocol(
    features: ImageTable,
    data_set: DataSet,
    options: Mapping[str, Any] | None = None,
    *,
    identities: Sequence[int] | None = None,
) -> Protocol:
    """Return the protocol of the data set's layout.

    Args:
        features: The images that are ranked; those of other identities are left alone.
        data_set: Says who is tested.
        options: Option of the layout's protocol -> what was chosen; None, and what is left out,
            is the protocol's own default.
        identities: Who is tested instead.

    Raises:
        UsageError: An option has no meaning for this layout, or a value no meaning for the option.
        ConfigError: A value is of another type.
        FeaturesError: Images that the protocol needs are missing or mislabelled.
    """
    layout, reader = data_set.layout, data_set.reader
    kind = _kind(layout, reader)
    chosen = {name: value for name, value in (options or {}).items() if value is not None}
    allowed = options_of(kind, reader.protocol)
    for name, value in chosen.items():
        if name not in allowed:
            raise UsageError(
                f"{name} {value} has no meaning for {layout}, which takes "
                f"{', '.join(sorted(allowed)) or 'no options'}; leave it out"
            )
    wanted = {"class_path": layout, "init_args": chosen}
    component = parse_component(kind, wanted, key="protocol", of_config=False)
    protocol: Protocol = component.build(features, data_set.split, identities)
    if identities is not None:  # nobody publishes scores on other people
        return protocol
    return replace(protocol, published_as=_name_of(layout, component.options))


def protocol_options(layout: str) -> tuple[str, ...]:
    """Return the options of a layout's protocol."""
    reader = reader_of(layout)
    return tuple(options_of(_kind(layout, reader), reader.protocol))


def named_protocols(layout: str | None = None) -> dict[str, NamedProtocol]:
    """Return the protocols that have a name: fprnet's, and those of a layout's own reader."""
    own = {} if layout is None else reader_of(layout).protocols
    return {**PROTOCOLS, **own}


def named_options(name: str, layout: str) -> dict[str, Any]:
    """Return the options that a protocol's name stands for.

    Raises:
        UsageError: There is no such protocol, or it is another layout's.
    """
    known = named_protocols(layout)
    fitting = [each for each, protocol in known.items() if protocol.layout == layout]
    if name not in known:
        names = f"for {layout} there are {', '.join(fitting)}" if fitting else "see them"
        raise UsageError(
            f"protocol {name!r} is unknown{nearest(name, fitting)}; {names}, as 'fprnet protocols' "
            "shows"
        )
    if known[name].layout != layout:
        raise UsageError(
            f"protocol {name} is one of {known[name].layout} and the data set is {layout}; give "
            f"{' or '.join(fitting) if fitting else 'no --protocol'}"
        )
    return dict(known[name].options)


def _name_of(layout: str, options: Mapping[str, Any]) -> str | None:
    """Return the name that stands for these options, if there is one."""
    for name, protocol in named_protocols(layout).items():
        same = all(options.get(key) == value for key, value in protocol.options.items())
        if protocol.layout == layout and same:
            return name
    return None


def check_rows(protocol: Protocol, features: ImageTable) -> None:
    """Refuse a protocol of other images.

    Raises:
        UsageError: A column has another length, or a row is none of the features.
    """
    for column in ("exclusion_group", "order"):
        if len(getattr(protocol, column)) != len(features):
            raise UsageError(
                f"the protocol's {column} has {len(getattr(protocol, column))} rows and the "
                f"features have {len(features)}; give one for each row"
            )
    rows = np.concatenate([side for t in protocol.trials for side in (t.query, t.gallery)])
    if len(rows) and not 0 <= rows.min() <= rows.max() < len(features):
        raise UsageError(
            f"the protocol names the rows {rows.min()} to {rows.max()} of {len(features)}; rows of "
            "the features count from 0"
        )
