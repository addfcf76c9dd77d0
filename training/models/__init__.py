"""One file a family of models; all keep one contract."""
