"""Finds the rate at which a server answers, and stays just under it: `governor` decides, the others measure."""
