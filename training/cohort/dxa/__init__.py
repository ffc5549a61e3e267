"""Simulate DXA of spine and hip of a virtual patient."""
