"""One file per meter: decoder, encoder and data sheet; pure."""
