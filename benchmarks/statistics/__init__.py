"""Statistics over three sites on this machine, beside their targets."""
