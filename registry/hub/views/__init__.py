"""Views of the hub API, one module a noun: parse, call one service or selector, render."""
