"""Secondary pipelines: networks and classifiers of the four studies, beside the reference path."""
