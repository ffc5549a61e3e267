"""Training of the 3 mm networks that find and outline spine and hips."""
