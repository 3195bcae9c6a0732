"""Where inputs come from, beside a model's own check set: a directory of arrays, standard input, a Unix socket."""
