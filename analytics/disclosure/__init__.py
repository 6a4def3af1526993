"""Disclosure control: a site's noise, the minimum cell on shares, and the release of results."""
