"""A trained model's config becomes the shortest model card that says what the weights are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fprnet.components import Component, components_in
from fprnet.config import to_yaml
from fprnet.config.schema import RunConfig

__all__ = ["front_matter", "short_card"]

ALLOWED = "whoever has it names it to `fprnet.allow_plugins` first, or by `--plugin`"


def front_matter(tags: tuple[str, ...] = (), *, licence: str | None = None) -> str:
    """Return the YAML head of a card, by which the Hugging Face hub finds models.

    Args:
        tags: Further tags.
        licence: The hub's name of the weights' licence, e.g. "apache-2.0"; None leaves it out.
    """
    names = ("person-re-identification", "visible-infrared", "fprnet", *tags)
    lines = ["---", "library_name: fprnet", "pipeline_tag: image-feature-extraction", "tags:"]
    lines += [f"- {name}" for name in names]
    if licence is not None:
        lines.append(f"license: {licence}")
    return "\n".join([*lines, "---", ""])


def short_card(config: RunConfig, about: Mapping[str, Any]) -> str:
    """Return the card of a model about which nobody has written more, Markdown.

    Args:
        config: Config of its run.
        about: What `fprnet.embeddings.embedder.Embedder.about` says of it.
    """
    code = sorted(set(_foreign(config.model)))
    needs = f"\nIts network needs the code of {', '.join(code)}: {ALLOWED}.\n" if code else ""
    return f"""{front_matter()}
# {config.preset}: visible-infrared person re-identification

Embeds crops of people, {config.data.height} x {config.data.width} pixels, in colour or in near
infrared; two crops of one person are alike by cosine similarity. Trained with fprnet on
{about["trained_identities"]} people in {about["step"]} steps; the checkpoint was chosen by
`{about["selection"]}`.

```python
import fprnet

model = fprnet.load_model("FOLDER")  # or "hf:OWNER/NAME"
embeddings = model.embed(["night/0001.jpg"], modality="infrared")
```
{needs}
**Not said here**: on which data set and under which licence it was trained, how well it does on
people and cameras that it has never seen, and for whom it does worse. Whoever publishes it adds
that.

## Configuration

```yaml
{to_yaml(config).strip()}
```
"""


def _foreign(component: Component) -> Iterator[str]:
    """Yield whose code a component and those among its options are, where they are not fprnet's."""
    if component.source is not None:
        yield component.source
    for inner in components_in(component.options):
        yield from _foreign(inner)
