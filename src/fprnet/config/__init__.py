"""Presets, files and overrides become one frozen config."""

from fprnet.config.loading import (
    config_as_dict,
    config_from_dict,
    config_of_graphs,
    config_to_embed,
    load_config,
    override_config,
    preset_file,
    preset_names,
    preset_summary,
    to_yaml,
)
from fprnet.config.schema import RunConfig, Scale

__all__ = [
    "RunConfig",
    "Scale",
    "config_as_dict",
    "config_from_dict",
    "config_of_graphs",
    "config_to_embed",
    "load_config",
    "override_config",
    "preset_file",
    "preset_names",
    "preset_summary",
    "to_yaml",
]
