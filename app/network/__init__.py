"""What a tile network is: feature schema, hash, weight files, numpy twins. Knows no GPU and no torch."""
