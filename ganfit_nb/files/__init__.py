"""Files: read within limits, written whole, told apart by content."""
