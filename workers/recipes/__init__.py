"""One readable module a task: load, prepare, model, train, evaluate, card, publish."""
