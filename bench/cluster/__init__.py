"""Work on several processes: how much faster, and what is left after workers, networks, disks and runs fail."""
