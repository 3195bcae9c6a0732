"""``edgejoule doctor``: what is wrong with this machine and its configuration, each fault with its remedy.

Each module gathers facts in one function and judges them in pure others, so that every judgement can be tested
without the machine it is about.
"""
