"""The laboratory: what is built on fprnet to show, compare and reproduce, not to be built upon.

rendered ``people``, ``superres`` (SRCNN), ``reproduction`` of the paper's tables and figures,
``benchmarking``, ``demo`` and the pages of ``reporting``; ``jobs`` runs their commands. It is the
first guest of the house: it uses the public names of :mod:`fprnet` and its packages only.
"""
