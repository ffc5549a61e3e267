"""Published numbers, result tables and figures that the four studies share."""
