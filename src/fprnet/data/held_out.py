"""A data set is opened to test a model on it, unless the model has seen people of its test set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fprnet.data.data_set import AUTO, DataSet, open_data_set, recognise
from fprnet.data.readers import reader_of
from fprnet.errors import UsageError

__all__ = ["open_for_test", "trained_split"]


def trained_split(config: Mapping[str, Any], layout: str) -> int | None:
    """Return the number of the split that a run was trained on; None for data of another layout.

    Args:
        config: Config of the run, as checkpoints and features files hold it; {} where nothing is
            known, as in features of other programs.
        layout: The layout whose splits are meant.

    Raises:
        UsageError: The number is none.
    """
    data = config.get("data", {})
    number = data.get("split") if data.get("layout") == layout else None
    if number is not None and not isinstance(number, int):
        raise UsageError(
            f"the model says that it was trained on split {number!r:.80} of {layout}; splits are "
            "numbers: correct config.data.split in the meta of the features"
        )
    return number


def open_for_test(
    root: Path, config: Mapping[str, Any], *, layout: str = AUTO, split: int | None = None
) -> DataSet:
    """Open a data set to test a model on it, on the split that the model was trained on.

    Args:
        root: Folder of the data set, or of its lists; only those of the test identities need to be
            there.
        config: Config of the run that made the model; {} where nothing is known.
        layout: A reader's name or import path; "auto" recognises it by what is there.
        split: Number of the split for layouts with several; None takes the model's.

    Raises:
        UsageError: It is another split than the model's, which has seen people of its test set.
        DataError: See `open_data_set`.
    """
    root = Path(root)
    layout = recognise(root) if layout == AUTO else layout
    number = trained_split(config, layout) if reader_of(layout).splits else None
    if number is not None and split is not None and number != split:
        raise UsageError(
            f"the model was trained on split {number} of {layout}, which shares people with the "
            f"test set of split {split}; give --split {number}, or a model of split {split}"
        )
    return open_data_set(root, layout=layout, split=split or number, needed=("test",))
