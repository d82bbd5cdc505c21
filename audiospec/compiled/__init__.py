"""What is written in C: the extension module `native`, its sources, and `library`, which says if it is there."""
