"""The demo: four real hospitals, as processes on this machine, answer joint questions.

Modules, lowest first: pictures (inline SVG) · page (the HTML report) · hospitals (the demo's consortium) · questions ·
pooled_reference, single_site_reference (references in the clear) · results · report_sections (the page) · run.
See instead: anything a real deployment needs; ``crossward demo`` only calls what the other commands call.
"""
