"""The processor's side: NEON kernels in C, their golden twins, and what they cost."""
