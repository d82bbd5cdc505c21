"""ONNX models in files: what they say of themselves, checks before anything runs, where they are kept."""
