"""Drawing: the pictures of a report, as SVG and PNG that need no program to be seen."""
