"""How a bundle is made: wheels by the lock, models, configuration, installer, and the manifest that binds them."""
