"""Weighbridge: the Django project. Catalogue, licensing and HTTP; never imports torch."""
