"""Use the ICRP 110 reference phantoms as soft body and as training volumes."""
