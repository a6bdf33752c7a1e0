"""Reading labelled text from a data set repository: files, columns, splits and the checks before any training."""
