"""Pedestrians drawn by the program, in the layout of SYSU-MM01: data that needs no agreement.

``options`` say what to write, ``writer`` writes it, ``drawing`` draws one picture (``appearance``
and ``skeleton`` painted by ``painter`` on a ``canvas`` before a place of ``scenes``, seen by one of
``cameras``), ``sheet`` shows a world on one page.
"""

from fprnet_lab.synthetic.drawing import draw
from fprnet_lab.synthetic.options import GeneratorOptions
from fprnet_lab.synthetic.sheet import contact_sheet
from fprnet_lab.synthetic.writer import generate

__all__ = ["GeneratorOptions", "contact_sheet", "draw", "generate"]
