"""The site of the documentation: ``make site`` writes build/site. Nothing is fetched, at the build or by a page.

The root of the sources is the project's folder, so that README, SECURITY and CHANGELOG are pages as they stand.
"""

project = "Crossward"
author = "the Crossward project"
copyright = "the Crossward project, GPL-3.0-or-later"  # noqa: A001
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = [
    "docs/**",
    "examples/README.md",
    "README.md",
    "README.zh.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "federation/demo/data/NOTICE.md",
    "examples/data/**/NOTICE.md",
]
exclude_patterns = [".*", "build", "demo-out", "**/.venv*", "docs/requirements.txt"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 4
myst_enable_extensions = []
suppress_warnings = ["myst.header", "misc.highlighting_failure"]
language = "en"
html_theme = "furo"
html_title = "Crossward"
html_static_path = []
html_extra_path = ["site"]
html_copy_source = False
html_show_sphinx = False
