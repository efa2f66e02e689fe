"""Features become scores."""
