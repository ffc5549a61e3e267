"""Study 3: bone status from radiomic features of the proximal femur."""
