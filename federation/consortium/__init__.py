"""What the members of a consortium agreed to, and what one site or helper declares for itself."""
