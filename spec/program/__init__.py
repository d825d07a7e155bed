"""What all programs share around the core: arguments, output, standard input, signals, open files. No sockets."""
