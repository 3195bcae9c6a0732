"""What a figure of energy is worth: one window part by part, and a result line by line (JCGM 100:2008)."""
