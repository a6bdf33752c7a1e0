"""Epochs: numbers that the database raises with every change, by which a process knows that what it remembers holds."""
