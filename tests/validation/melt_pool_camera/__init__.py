"""Melt pool by a camera: alloy, absorptivity and powder are hidden, and only the surface of ten frames is seen."""
