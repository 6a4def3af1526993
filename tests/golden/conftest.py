"""Lets the golden test import its cases."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
