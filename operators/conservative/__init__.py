"""The conservative engine: heat in boxes that follow the beam; how much is absorbed is read from a camera."""
