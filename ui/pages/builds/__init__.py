"""The builds' page: the list of all, and one of them: against good builds, in space, by layer, with notes and files."""
