"""From audio files to samples, and from samples to chunks."""
