"""Factor tables as TOML, each row with value, low, high, unit, source, licence and vintage; ``tables`` reads them."""
