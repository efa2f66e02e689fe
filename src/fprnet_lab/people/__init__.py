"""Rendered pedestrians: three-dimensional people seen by day and in near infrared.

mesh -> body -> garments -> figure (who) -> pose -> camera -> rasteriser -> paint x lighting ->
scene (over a place of a world) -> sensor -> writer (in the layout of a public data set).
"""

GENERATOR_VERSION = 4  # raised whenever any picture's bytes change; written into each set
VERSIONS = (2, GENERATOR_VERSION)
"""Versions whose pictures can still be made: 2 trained the model that ships with fprnet.

Since 4 no image by day passes for infrared, adults are of usual heights, and who passes by is
dressed for the season of the place.
"""

__all__ = ["GENERATOR_VERSION", "VERSIONS"]
