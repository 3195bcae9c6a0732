"""What drivers are built from: checks, dialogues, options, word formats. Pure, and no meter by itself."""
