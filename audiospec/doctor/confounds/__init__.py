"""Whether the label can be told from what is not the content of the audio."""
