"""Networks, their cards and weights: arrays in, probabilities out. Imports no DICOM or Celery.

``structures`` names the output channels, ``cards`` (free of torch) describe, ``registry`` loads by
digest, ``inference`` runs. ``errors`` is the root of the whole error tree.
"""
