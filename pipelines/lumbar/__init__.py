"""The reference path: attenuation and density of L1 to L4, without a trained classifier."""
