"""The demo: four real hospitals as processes on this machine answer joint questions.

Rooms, bottom first: pictures (inline SVG) · page (the HTML report) · hospitals (the consortium on the spot) · questions ·
pooled, alone (references in the clear) · record (what happened) · story (the page) · run.
See instead: anything a real deployment needs; ``crossward demo`` only calls what the other commands call.
"""
