"""Unlabelled crops of a site and any model become a model of the site."""
