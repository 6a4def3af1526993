"""Models that can be trained, one file each."""
