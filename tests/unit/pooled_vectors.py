"""Maps become the vectors that predictions take, pooled plainly."""

from collections.abc import Mapping
from functools import partial

from fprnet.models.pair import Pair
from fprnet.models.pooling import pool_stripes
from fprnet.models.reidentifier import Head


def pool_plainly(
    module: Head, stages: Mapping[int, Pair], levels: Mapping[int, Pair]
) -> dict[str, Pair]:
    """Return "main" of stage 5 and "level<k>" of each level's maps."""
    stripes = module.stripes_of("visible") | module.stripes_of("infrared")
    vectors = {"main": stages[5].map_rows(module.pool_main)}
    for level, maps in levels.items():
        pool = partial(pool_stripes, stripes=stripes.get(level, 1))
        vectors[f"level{level}"] = maps.map_rows(pool)
    return vectors
