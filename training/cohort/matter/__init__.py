"""X-ray physics: convert the composition of tissues to HU under real spectra."""
