"""From video to tensor: decoding, encoding, geometry, cutting, splits."""
