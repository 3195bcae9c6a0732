"""The bench: joules per inference of one model in a declared state, with a budget, or the reason why not."""
