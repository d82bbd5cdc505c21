"""Export runs as one file that other programs run: frontend, model and calibration as ONNX or by torch."""
