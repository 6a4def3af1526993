"""Pictures of answers: what is drawn as plain data, and the drawing."""

from analytics.pictures.draw import draw
from analytics.pictures.kinds import Bars, Boxes, Cells, Curve, Curves, Estimates, Network, Picture

__all__ = ["Bars", "Boxes", "Cells", "Curve", "Curves", "Estimates", "Network", "Picture", "draw"]
