"""How good a reconstruction is: the paper's experiments as functions of files (Sec. 4, Appendix A)."""
