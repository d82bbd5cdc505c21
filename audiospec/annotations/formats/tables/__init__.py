"""What the formats that are tables share."""
