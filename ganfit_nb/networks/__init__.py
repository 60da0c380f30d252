"""Frozen networks in torch: what finds the face, its landmarks and its identity."""
