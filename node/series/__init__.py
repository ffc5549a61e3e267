"""Stored objects -> complete series -> the one series of a study that is measured."""
