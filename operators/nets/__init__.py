"""Nets: the architectures, each a map between fields on points; they know no melt pool and no training."""
