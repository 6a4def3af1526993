"""Statistics of times to an event."""
