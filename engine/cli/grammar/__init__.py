"""What can be typed, as values: commands, flags, examples. It loads click alone, so that help and completion are quick;
what a command does is the module of its name in `engine.cli`."""
