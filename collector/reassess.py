"""Assesses again what the live store holds, when an intensity was revised or the inventory changed."""
