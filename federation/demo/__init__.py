"""The demo: four real hospitals as processes on this machine answer joint questions.

Rooms, bottom first: pictures (inline SVG) · page (the HTML report) · consortium (keys, certificates, files on the spot) · run.
Not here: anything a real deployment needs; ``crossward demo`` only calls what the other commands call.
"""
