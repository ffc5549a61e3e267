"""Study 1: areal density, bone status and fracture-association index from lumbar vertebrae."""
