"""Study 1: areal density, class shares and fracture-association index of L1 to L4."""
