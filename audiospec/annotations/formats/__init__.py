"""Formats of annotations: files beside the audio, and of predicted events; one file each."""
