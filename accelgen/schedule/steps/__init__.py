"""What runs together: nodes fused into steps, their windows, weights and limits."""
