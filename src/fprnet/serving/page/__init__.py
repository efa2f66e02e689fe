"""The operator's page: a template, style sheets, modules of JavaScript, icons, two languages.

It is served by the service that it asks, and loads nothing from anywhere else.
"""

from fprnet.serving.page.files import LANGUAGES, Asset, asset, language_of, render

__all__ = ["LANGUAGES", "Asset", "asset", "language_of", "render"]
