"""The melt-pool operator: forcings of the past path, ASNO on them, and the recipe that makes the shipped weights."""
