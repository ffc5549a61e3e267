"""Study 1: areal density, bone status and fracture association from lumbar vertebrae."""
