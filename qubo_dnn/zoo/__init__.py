"""Small pretrained networks that ship with the package, to try and to test compression on."""
