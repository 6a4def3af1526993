"""What may be opened: a site's noise, the minimum cell on shares, and the release."""
