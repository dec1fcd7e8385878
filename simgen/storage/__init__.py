"""Folders, object stores and archives: the one layer through which bytes are read and written."""
