"""X-ray physics: attenuation of media under real spectra."""
