"""Your own audio: what a folder, its names and its tables say of tracks."""
