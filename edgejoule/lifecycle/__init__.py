"""Where in a model's life its energy goes: making it against using it, and what each method of shrinking changes."""
