"""Mosquitto as a shop floor runs it: the configuration, who may say what, and the credentials."""
