"""Training of the spine network by simulation: specimens -> patches -> loop -> export."""
