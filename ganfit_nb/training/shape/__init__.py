"""Builds the 3DMM that ships with the package: heads measured on people, with eyes, teeth and gums."""
