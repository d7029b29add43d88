"""Reading without torch: models exported to ONNX, and the engine that runs them."""
