"""Many boards: what each shall be, what each is, and the way from here to there in waves."""
