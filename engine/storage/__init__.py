"""The only room with input and output: stores, files, processes."""
