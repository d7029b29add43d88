"""Training: batches, objectives and the Accelerate loop."""
