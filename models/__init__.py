"""Networks, their cards and weights. No DICOM, no Celery: arrays in, probabilities out.

``structures`` names the output channels, ``cards`` (free of torch) describe, ``registry`` loads by
digest, ``inference`` runs. ``errors`` is the root of the whole error tree.
"""
