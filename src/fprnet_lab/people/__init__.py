"""Rendered pedestrians: three-dimensional people seen by day and in near infrared.

mesh -> body -> garments -> figure (who) -> pose -> camera -> rasteriser -> paint x lighting ->
scene (over a place of a world) -> sensor -> writer (in the layout of a public data set).
"""

GENERATOR_VERSION = 4  # raised whenever any picture's bytes change; written into each set

__all__ = ["GENERATOR_VERSION"]
