"""Training of the 1 mm networks that outline single vertebrae and femora."""
