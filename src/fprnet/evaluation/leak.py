"""A data set is opened to test a model on it, unless the model has seen people of its test set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from fprnet.data.data_set import DataSet, Layout, open_data_set, recognise
from fprnet.errors import UsageError

__all__ = ["open_for_test", "trained_split"]


def trained_split(config: Mapping[str, Any]) -> int | None:
    """Return the number of RegDB's split that a run was trained on; None for any other data.

    Args:
        config: Of the run, as it stands in checkpoints and features files; {} where nothing is
            known, as in features of other programs.
    """
    data = config.get("data", {})
    number = data.get("split") if data.get("layout") == "regdb" else None
    return None if number is None else int(number)


def open_for_test(
    root: Path,
    config: Mapping[str, Any],
    *,
    layout: Layout | Literal["auto"] = "auto",
    split: int | None = None,
) -> DataSet:
    """Open a data set to test a model on it, on the split of RegDB that the model was trained on.

    Args:
        root: See `open_data_set`; only the lists of the test identities need to be there.
        config: Of the run that made the model; {} where nothing is known.
        layout: See `open_data_set`.
        split: Of RegDB; None takes the model's.

    Raises:
        UsageError: It is another split than the model's, which has seen people of its test set.
        DataError: See `open_data_set`.
    """
    layout = recognise(root) if layout == "auto" else layout
    number = trained_split(config) if layout == "regdb" else None
    if number is not None and split is not None and number != split:
        raise UsageError(
            f"the model was trained on split {number} of RegDB, which shares people with the test "
            f"set of split {split}; give --split {number}, or a model of split {split}"
        )
    return open_data_set(root, layout=layout, split=split or number, needed=("test",))
