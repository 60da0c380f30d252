"""What makes the shipped models: the 3DMM, the UV corpus and the texture priors. Not needed to fit."""
