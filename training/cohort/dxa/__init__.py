"""Simulated DXA of spine and hip."""
