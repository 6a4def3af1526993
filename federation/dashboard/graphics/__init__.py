"""Pictures of the pages as inline SVG: no script, no style of their own, a text alternative on each."""
