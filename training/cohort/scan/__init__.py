"""CT of a virtual patient: scanner, protocol, noise, crops and the truth."""
