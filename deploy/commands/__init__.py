"""The verbs of the command line. These modules import nothing heavy; a verb imports what it needs when it is called."""
