"""Where bytes are kept: folders of a disk, and buckets. `base` says what both can do."""
