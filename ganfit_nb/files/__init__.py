"""Reads files within limits, writes them whole, and compares them by content."""
