"""The domain, pure: units, operational and embodied carbon, amortisation, SCI. Joules in, grams out."""
