"""A gallery and a model become an HTTP service with an operator's page."""
