"""What file formats share: reading text, writing atomically, the models that files contain."""
